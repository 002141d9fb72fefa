-- What the plan asks SQLite for: `sqlite3 stock.db <stock.sql` makes the file.
drop table if exists stock;
drop table if exists warehouse;
create table warehouse (id integer primary key, city text not null);
create table stock (warehouse integer not null references warehouse, product text not null, pieces integer not null);
insert into warehouse values (1, 'Bergen'), (2, 'Porto'), (3, 'Trieste');
insert into stock values
    (1, 'anchor', 12), (1, 'rope', 340), (2, 'anchor', 3), (2, 'sail', 27), (3, 'compass', 8), (3, 'rope', 95);
