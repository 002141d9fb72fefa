-- Who runs a plan now is told by its runs that have not ended and have their logs locked.
drop table locks;
