-- The days of the month that :day is in.
select day::date, pg_sleep(0.02) is not null as counted
from generate_series(
    date_trunc('month', :day::date),
    date_trunc('month', :day::date) + interval '1 month' - interval '1 day',
    interval '1 day'
) as day
