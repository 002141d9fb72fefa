-- What is remembered of items that were taken, from one run of a plan to the next. What was not seen for a long time is
-- forgotten; so are the oldest, should there be too many.

-- Whose items: those of a job at the place where it did its I/O. Another plan, job or place knows nothing of them.
create table memories (
    id integer primary key,
    plan text not null, -- its name, or its file where it has no name
    path text not null, -- its file
    job text not null,
    target text not null, -- without credentials
    unique (plan, job, target)
) strict;

create table remembered (
    memory integer not null references memories (id) on delete cascade,
    key text not null, -- no two items of a job have the same
    fingerprint text not null, -- what tells whether it has changed since
    owed integer not null, -- 1 if it was taken, and what is to be done at its source after that was not done
    taken integer not null, -- seconds since 1970
    seen integer not null, -- days since 1970
    primary key (memory, key)
) strict, without rowid;

create index remembered_by_day on remembered (seen);
