CREATE TYPE floats AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TABLE t (a floats, b int4range);
INSERT INTO t VALUES ('[1,2.5)', '[1,3]');
