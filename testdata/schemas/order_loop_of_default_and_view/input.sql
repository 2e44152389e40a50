-- As the random test found it: with less of it the first loop is another one.
CREATE SCHEMA "data";
CREATE TYPE public."x_y20" AS ENUM ('{}', 'new
line', '$$', 'a"b');
CREATE TABLE public."(x)" ();
CREATE TYPE "data"."new
line" AS ENUM ('', 'tab	here', 'new
line', 'a');
CREATE SCHEMA "tab	here";
CREATE TABLE "data"."%s" ("data" real DEFAULT '0.1'::real, "orders" integer, "_u" "data"."new
line", "x_y" bigint CONSTRAINT "zeta" NOT NULL, "\." name, PRIMARY KEY ("orders")) PARTITION BY RANGE ("orders");
CREATE FUNCTION "data"."id"("data"."%s") RETURNS integer LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT CASE WHEN ('{"-5","1.234"}'::interval second(2)[]) IS NULL THEN NULL::integer ELSE NULL::integer END; END;
CREATE FUNCTION public."zeta3"(cstring) RETURNS public."data" LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE VIEW "tab	here"."a" AS SELECT "orders" FROM "data"."%s";
CREATE FUNCTION public."äääääääääääääääääääääääää17"("tab	here"."a") RETURNS integer LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT CASE WHEN ("data"."id"('("0.1","32767","tab	here","7","\\x41")'::"data"."%s")) IS NULL THEN NULL::integer ELSE NULL::integer END; END;
ALTER TABLE "data"."%s" ALTER "orders" SET DEFAULT public."äääääääääääääääääääääääää17"(NULL::"tab	here"."a");
ALTER TABLE "data"."%s" ADD CONSTRAINT "data" CHECK (((COALESCE("data", NULL::real) IS NOT NULL)) IS NOT NULL OR true);
CREATE TYPE public."a26" AS ENUM ('O''Brien', 'back\slash', 'ünï☃', ' lead', '\N');
CREATE VIEW "data"."t137" AS SELECT v."t1" FROM (VALUES (NULL), (1)) AS v("t1");
