DO $$ BEGIN CREATE ROLE "cs_names_that_hurt -- ""r"" 'x'"; EXCEPTION WHEN duplicate_object THEN END $$;
CREATE SCHEMA "sch.ema ""q""";
CREATE TABLE "a ""quote""" ("it's" int, "back\slash" text, "$$" int, "tab	in" int, "select" int, "CamelCase" int);
CREATE TABLE "new
line" ("col
umn" int DEFAULT 1 CHECK ("col
umn" > 0));
CREATE TABLE "\! touch /tmp/pgsiphon_was_here" (a int);
CREATE TABLE "\." ("\." text);
CREATE TABLE "-- no comment" ("/* open" int);
CREATE TABLE "sch.ema ""q"""."t.able" (a serial PRIMARY KEY, "b.c" text UNIQUE);
CREATE TABLE "ünïcödé ☃ 表" ("ß" text);
CREATE TABLE "sixty_three_bytes_is_the_limit_of_a_name_in_postgresql_________X" (id serial PRIMARY KEY, "another_column_whose_name_is_as_long_as_it_can_be_in_this_server" serial);
CREATE TABLE "user" ("order" int, "table" int, "group" int, "left" int, "none" int, "values" int, "user" int);
CREATE TABLE "1starts" ("2" int, _under int, a$b int, "UPPER" int);
CREATE TABLE " " (" " int);
CREATE TABLE "return" (E int);
CREATE FUNCTION "f""n"() RETURNS text LANGUAGE sql AS 'SELECT $_$ $$ '' \ $_$::text';
CREATE VIEW "v
iew" AS SELECT "it's" AS "a
b", '\' AS "c\d" FROM "a ""quote""";
CREATE INDEX "idx \ ""x""" ON "a ""quote""" ("it's", ("back\slash" || '\'));
ALTER TABLE "\." OWNER TO "cs_names_that_hurt -- ""r"" 'x'";
GRANT SELECT ON "a ""quote""", "new
line" TO "cs_names_that_hurt -- ""r"" 'x'";
GRANT SELECT ("it's") ON "a ""quote""" TO PUBLIC;
COMMENT ON TABLE "new
line" IS E'a\nb\\c';
INSERT INTO "a ""quote""" VALUES (1, 'b\', 2, 3, 4, 5);
INSERT INTO "\." VALUES ('\.'), (E'a\n\\.\nb');
INSERT INTO "new
line" VALUES (5);
INSERT INTO "user" VALUES (1, 2, 3, 4, 5, 6, 7);
CREATE TYPE "en'um" AS ENUM ('a''b', 'c"d', 'e\f', '$$');
CREATE DOMAIN "do main" AS "en'um" CHECK (VALUE <> 'a''b');
CREATE SEQUENCE "se""q";
CREATE TABLE "uses" (a "do main" DEFAULT 'e\f', b int DEFAULT nextval('"se""q"'));
