CREATE TABLE types (
  a smallint, b bigint, c numeric, d numeric(10,3), e real, f double precision, g varchar, h varchar(10), i char, j char(5),
  k text, l "char", m name, n bytea, o date, p time, q time(3) with time zone, r timestamp(0), s timestamptz(6), t interval, u interval day to second(3), v interval year,
  w boolean, x bit, y bit(4), z varbit(9), aa uuid, ab json, ac jsonb, ad xml, ae inet, af cidr, ag macaddr, ah macaddr8, ai point, aj line, ak lseg, al box, am path, an polygon, ao circle,
  ap tsvector, aq tsquery, ar int[], at text[][], au money, av oid, aw regclass, ax pg_lsn, ay int4range, az numeric(4)[], ba xid, bb tid, bc jsonpath, bd int2vector
);
CREATE TABLE defaults (
  a int DEFAULT 1, b text DEFAULT 'it''s' NOT NULL, c text DEFAULT E'a\\b\n', d timestamptz DEFAULT now(), e date DEFAULT CURRENT_DATE,
  f int[] DEFAULT '{}', g jsonb DEFAULT '{"a": [1]}', h text DEFAULT NULL, i numeric DEFAULT -1.50, j text DEFAULT ('a' || 'b'), k text DEFAULT CURRENT_USER, l boolean DEFAULT true, m interval DEFAULT '1 day', n bytea DEFAULT '\x00ff'
);
CREATE TABLE checks (a int CHECK (a > 0), b int CONSTRAINT "B is big" CHECK (b > 10), CHECK (a < b), CONSTRAINT sum CHECK (a + b < 1000) NOT VALID);
ALTER TABLE checks DROP CONSTRAINT sum;
ALTER TABLE checks ADD CONSTRAINT sum CHECK (a + b < 1000) NOT VALID;
CREATE TABLE no_columns ();
CREATE TABLE "Quoted Table" ("Col A" int, "select" int, "ünï" text);
COMMENT ON TABLE checks IS 'a table';
COMMENT ON COLUMN checks.a IS 'a column';
COMMENT ON CONSTRAINT "B is big" ON checks IS 'a constraint';
COMMENT ON CONSTRAINT sum ON checks IS 'a late constraint';
COMMENT ON COLUMN "Quoted Table"."Col A" IS 'E''\backslash';
INSERT INTO checks VALUES (1, 11), (NULL, NULL);
INSERT INTO "Quoted Table" VALUES (1, 2, 'ß');
