DO $$ BEGIN CREATE ROLE cs_functions_r; EXCEPTION WHEN duplicate_object THEN END $$;
CREATE TABLE src (id int, name text);
CREATE FUNCTION one() RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF COST 5 AS 'SELECT 1';
CREATE FUNCTION one(int) RETURNS int LANGUAGE sql STABLE PARALLEL RESTRICTED AS 'SELECT $1';
CREATE FUNCTION one(text, VARIADIC ints int[] DEFAULT '{1,2}') RETURNS int LANGUAGE sql AS $$SELECT 'it''s $1' = $1 AND true; SELECT 1$$;
CREATE FUNCTION modes(IN a int, INOUT b text DEFAULT 'x', OUT "C d" numeric) LANGUAGE plpgsql SECURITY DEFINER AS $body$
BEGIN
  "C d" := a; -- $$ inside
END $body$;
CREATE FUNCTION rows() RETURNS SETOF src LANGUAGE sql ROWS 12 COST 0.5 SET search_path = public, "Odd" SET work_mem = '8MB' AS 'SELECT * FROM src';
CREATE FUNCTION tab(n int DEFAULT 3) RETURNS TABLE (x int, y text[]) LANGUAGE plpgsql CALLED ON NULL INPUT AS 'BEGIN RETURN; END';
CREATE FUNCTION any_elem(anyelement, anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION dollars() RETURNS text LANGUAGE sql AS 'SELECT $$a$$ || $_$b$_$ || ''$_X$''';
CREATE FUNCTION quote_path() RETURNS void LANGUAGE sql SET search_path = '' SET datestyle = 'ISO, DMY' AS 'SELECT';
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE PROCEDURE proc(INOUT a int, b text DEFAULT NULL) LANGUAGE plpgsql AS $$ BEGIN a := 1; COMMIT; END $$;
CREATE PROCEDURE secured() LANGUAGE sql SECURITY DEFINER SET role = 'cs_functions_r' AS '';
CREATE FUNCTION support_it(int) RETURNS int LANGUAGE internal IMMUTABLE AS 'int4abs' SUPPORT generate_series_int4_support;
CREATE FUNCTION rank2(int) RETURNS bigint LANGUAGE internal WINDOW AS 'window_rank';
COMMENT ON FUNCTION one() IS 'the first';
COMMENT ON FUNCTION one(text, int[]) IS 'variadic';
COMMENT ON PROCEDURE proc(int, text) IS 'commits';
ALTER FUNCTION one(int) OWNER TO cs_functions_r;
REVOKE ALL ON FUNCTION modes(int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION modes(int, text) TO cs_functions_r WITH GRANT OPTION;
GRANT EXECUTE ON PROCEDURE proc(int, text) TO cs_functions_r;
