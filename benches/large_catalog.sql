-- A database of many tables, as in products with one schema per tenant: the same tables_per_tenant
-- tables in each schema. psql -v tables=20000 -f benches/large_catalog.sql

\set tables_per_tenant 100

SELECT format('CREATE SCHEMA tenant_%s', tenant)
  FROM generate_series(0, (:tables - 1) / :tables_per_tenant) AS tenant \gexec

SELECT format('CREATE TABLE tenant_%1$s.items_%2$s (id serial PRIMARY KEY, amount_%2$s int NOT NULL CHECK (amount_%2$s > 0),
                                                    name text DEFAULT ''none'', made_at timestamptz DEFAULT now());
               CREATE INDEX ON tenant_%1$s.items_%2$s (name);
               COMMENT ON TABLE tenant_%1$s.items_%2$s IS ''Items %2$s of tenant %1$s''',
              i / :tables_per_tenant, i % :tables_per_tenant)
  FROM generate_series(0, :tables - 1) AS i \gexec
