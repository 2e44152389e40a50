ALTER DATABASE :"DBNAME" SET quote_all_identifiers = on;
CREATE TABLE t (a int DEFAULT 1, b text CHECK (b <> ''), c date UNIQUE);
CREATE INDEX plain ON t (a, b DESC);
CREATE INDEX partial ON t (a) WHERE b IS NOT NULL;
CREATE VIEW v AS SELECT a, b FROM t;
