ALTER DATABASE :"DBNAME" SET standard_conforming_strings = off;
SET standard_conforming_strings = on;
CREATE TABLE t (a text DEFAULT 'b\s', CHECK (a <> '\'));
INSERT INTO t VALUES ('x\y'), ('it''s'), (E'n\n');
COMMENT ON TABLE t IS 'back\slash';
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''a\b''::text';
CREATE VIEW v AS SELECT 'c\d'::text AS c;
CREATE TYPE e AS ENUM ('f\g');
