-- A row for each of the seven days before :day. The wait stands for work.
select day::date, extract(isodow from day)::int as weekday, pg_sleep(0.05) is not null as counted
from generate_series(:day::date - 7, :day::date - 1, interval '1 day') as day
