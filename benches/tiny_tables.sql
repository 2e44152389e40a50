-- A database of many small tables, as in products with one schema per tenant: schemas of 100 tables each, every
-- table with two or three rows and a bit of everything that a table usually has.
-- psql -v tables=20000 -f benches/tiny_tables.sql

\set tables_per_tenant 100

SELECT format('CREATE SCHEMA tenant_%s', tenant)
  FROM generate_series(0, (:tables - 1) / :tables_per_tenant) AS tenant \gexec

-- Each table refers to the one before it; the first of a schema refers to itself.
SELECT format('CREATE TABLE tenant_%1$s.records_%2$s (
                   id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                   parent_id int REFERENCES tenant_%1$s.records_%3$s,
                   amount_%2$s int NOT NULL CHECK (amount_%2$s > 0),
                   name text DEFAULT ''none'' NOT NULL,
                   made_at timestamptz DEFAULT now());
               CREATE INDEX ON tenant_%1$s.records_%2$s (name);
               COMMENT ON TABLE tenant_%1$s.records_%2$s IS ''Records %2$s of tenant %1$s'';
               COMMENT ON COLUMN tenant_%1$s.records_%2$s.amount_%2$s IS ''In cents'';
               INSERT INTO tenant_%1$s.records_%2$s (amount_%2$s, name, made_at)
                      SELECT n, ''record '' || n, ''2026-01-01'' FROM generate_series(1, 2 + %2$s %% 2) AS n',
              i / :tables_per_tenant, i % :tables_per_tenant, greatest(i % :tables_per_tenant - 1, 0))
  FROM generate_series(0, :tables - 1) AS i \gexec
