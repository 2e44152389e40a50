CREATE TABLE items (id int PRIMARY KEY, price numeric, note text);
CREATE FUNCTION zz_base(a int) RETURNS int LANGUAGE sql IMMUTABLE RETURN a + 1;
CREATE FUNCTION aa_caller(a int) RETURNS int LANGUAGE sql RETURN zz_base(a) * 2;
CREATE FUNCTION total() RETURNS numeric LANGUAGE sql STABLE BEGIN ATOMIC SELECT sum(price) FROM items WHERE note <> 'it''s;'; END;
CREATE PROCEDURE fill(n int) LANGUAGE sql BEGIN ATOMIC INSERT INTO items SELECT g, g * 1.5, 'n' FROM generate_series(1, n) g; DELETE FROM items WHERE id = 0; END;
CREATE FUNCTION grouped() RETURNS TABLE (id int, note text) LANGUAGE sql BEGIN ATOMIC SELECT i.id, i.note FROM items i GROUP BY i.id; END;
CREATE FUNCTION nothing() RETURNS void LANGUAGE sql BEGIN ATOMIC END;
COMMENT ON FUNCTION grouped() IS 'depends on a primary key, so it moves behind it';
