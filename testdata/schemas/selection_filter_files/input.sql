create schema s; create schema "S P"; create schema "te st";
create table one(a int); create table two(a int); create table "x y"(a int); create table s.one(a int);
create table "S P"."q""t"(a int); create table U&"l\000Af"(a int); create table U&"l\000A\000Af"(a int); create table "b\s"(a int); create table "n\n"(a int);
create table U&"l\000A\000A\000Af"(a int);
create table "té"(a int); create table " x"(a int); create table s." x"(a int); create table "a, b"(a int); create table "a,b"(a int); create table p(a int) partition by list(a); create table p1 partition of p for values in (1);
create table "bs"(a int); create table U&"c\000Dr"(a int); create table "cr"(a int); create table "f()"(a int); create table "#h"(a int);
create extension hstore; create extension cube; create sequence sq; create function f(int) returns int language sql as 'select 1';
create table U&"l\000A\000Dr"(a int);
insert into one values(1); insert into two values (2);
