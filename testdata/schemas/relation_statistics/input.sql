CREATE TABLE plain (id serial PRIMARY KEY, word text, tags text[], span int4range, n numeric);
INSERT INTO plain (word, tags, span, n)
SELECT CASE WHEN g % 7 = 0 THEN 'it''s' WHEN g % 5 = 0 THEN NULL ELSE 'back\slash ' || g % 11 END,
       ARRAY['a' || g % 3, 'b"' || g % 2], int4range(g, g + g % 9), g / 3.0
  FROM generate_series(1, 300) g;
CREATE INDEX plain_expression ON plain (lower(word), n, (n * 2));
CREATE INDEX plain_column ON plain (word);
CREATE TABLE part (k int, v text) PARTITION BY LIST (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2);
INSERT INTO part SELECT 1 + g % 2, 'v' || g FROM generate_series(1, 50) g;
CREATE INDEX ON part (k);
CREATE TABLE parent (a int);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent VALUES (1), (2);
INSERT INTO child VALUES (3), (3);
CREATE TABLE "odd ""name""
with a line" ("col'umn" int);
INSERT INTO "odd ""name""
with a line" VALUES (1), (1), (2);
CREATE TABLE never_analyzed (a int);
CREATE MATERIALIZED VIEW mv AS SELECT k, count(*) FROM part GROUP BY k;
CREATE UNIQUE INDEX mv_k ON mv (k);
CREATE MATERIALIZED VIEW mv_of_mv AS SELECT * FROM mv;
CREATE MATERIALIZED VIEW mv_empty AS SELECT * FROM plain WITH NO DATA;
ALTER TABLE plain ADD CONSTRAINT word_is_short CHECK (length(word) < 100) NOT VALID;
CREATE TABLE refers (id int REFERENCES plain);
SELECT lo_create(4711);
ANALYZE plain, part, part_1, part_2, parent, child, mv, mv_of_mv, "odd ""name""
with a line";
