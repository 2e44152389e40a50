CREATE SCHEMA one;
CREATE SCHEMA another_one;

-- Alike in all, but for where they stand in their statements.
CREATE TABLE one.t (a int CHECK (a > 0), b text, CHECK (a > 0 AND b <> ''));
CREATE TABLE another_one.a_longer_name (a int CHECK (a > 0), b text, CHECK (a > 0 AND b <> ''));
CREATE TABLE another_one.with_more (a int CHECK (a > 0), b text, c int, CHECK (a > 0 AND b <> ''));

-- The same column by number, not by name.
CREATE TABLE one.other_names ("Column A" int CHECK ("Column A" > 0), bb text, CHECK ("Column A" > 0 AND bb <> ''));
CREATE TABLE one.swapped (b int CHECK (b > 0), a text, CHECK (b > 0 AND a <> ''));
CREATE TABLE one.renamed (a int CHECK (a > 0), b text, CHECK (a > 0 AND b <> ''));
ALTER TABLE one.renamed RENAME a TO was_a;
-- The same name by another number.
CREATE TABLE one.moved (gone int, a int CHECK (a > 0));
ALTER TABLE one.moved DROP gone;

-- Whole rows, system columns, and no column.
CREATE TABLE one.row_1 (a int, CHECK (row_1 IS NOT NULL), CHECK (tableoid > 0::oid), CHECK (1 < 2));
CREATE TABLE one.row_2 (a int, CHECK (row_2 IS NOT NULL), CHECK (tableoid > 0::oid), CHECK (1 < 2));

-- The same with other flags.
CREATE TABLE one.not_inherited (a int, CONSTRAINT c CHECK (a > 0) NO INHERIT);
CREATE TABLE one.not_valid (a int);
ALTER TABLE one.not_valid ADD CONSTRAINT c CHECK (a > 0) NOT VALID;

-- The same operator on other types, and a function of the same name elsewhere.
CREATE TABLE one.big (a bigint CHECK (a > 0));
CREATE FUNCTION one.fits(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 0';
CREATE FUNCTION another_one.fits(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 0';
CREATE TABLE one.calls (a int CHECK (one.fits(a)));
CREATE TABLE another_one.calls (a int CHECK (another_one.fits(a)));

-- A partition has its parent's under a number of its own.
CREATE TABLE one.parts (a int, b int, CONSTRAINT c CHECK (a > 0)) PARTITION BY LIST (b);
CREATE TABLE one.part (b int, a int, CONSTRAINT c CHECK (a > 0));
ALTER TABLE one.parts ATTACH PARTITION one.part FOR VALUES IN (1);
