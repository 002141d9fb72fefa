-- The state of fanout on one machine. Times are microseconds unless they say otherwise.

-- One row for each execution of a plan. Its event log is runs/ID.jsonl beside this database; while it runs, that file is
-- locked.
create table runs (
    id text primary key,
    plan text not null, -- who owns history, memory and lock: the plan's name, or its file where it has no name
    name text not null,
    path text not null,
    started text not null, -- RFC 3339, UTC
    pid integer not null,
    -- What follows is null as long as the run has not ended, and for ever if it was killed.
    exit integer,
    wall integer,
    sum integer,
    bytes integer,
    rows integer,
    submitted integer,
    done integer,
    failed integer,
    timed_out integer,
    cancelled integer,
    panicked integer,
    skipped integer,
    not_started integer
) strict;

create index runs_of_a_plan on runs (plan, started);

-- How each item of a run ended. Of a run with very many items the first ones.
create table items (
    run text not null references runs (id) on delete cascade,
    job text not null,
    key text not null, -- empty for a plain job's one item
    state text not null,
    code text,
    attempts integer not null,
    started integer, -- since the run began
    ended integer not null,
    running integer not null,
    bytes integer not null,
    rows integer not null,
    output text,
    primary key (run, job, key)
) strict, without rowid;

-- Who runs a plan now. A row whose run no longer has its log locked is left from a process that was killed.
create table locks (
    plan text primary key,
    run text not null,
    pid integer not null,
    since text not null
) strict;
