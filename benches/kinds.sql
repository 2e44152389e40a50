-- Each kind of table in a schema of its own, about 10 MB of text for each unit of :scale.
-- psql -v scale=10 -f benches/kinds.sql
-- The schemas one, hundred and tree hold the same rows: in one table, in 100 tables, and in the partitions of one.
SELECT setseed(0.5);

CREATE SCHEMA narrow;
CREATE TABLE narrow.t (id integer, customer_id integer, placed_on date, status text);
INSERT INTO narrow.t
SELECT n, (random() * 30000)::int, date '2024-01-01' + (n % 700), (ARRAY['new', 'paid', 'shipped'])[1 + n % 3]
  FROM generate_series(1, 330000 * :scale) n;

CREATE SCHEMA wide;
SELECT format('CREATE TABLE wide.t (id integer, %s)', string_agg(format('m%s double precision', n), ', ' ORDER BY n))
  FROM generate_series(1, 40) n \gexec
SELECT format('INSERT INTO wide.t SELECT n, %s FROM generate_series(1, %s) n',
              string_agg('round((random() * 1000)::numeric, 3)', ', '), 31000 * :scale)
  FROM generate_series(1, 40) \gexec

-- As pgbench_accounts: rows that differ in their numbers only.
CREATE SCHEMA repetitive;
CREATE TABLE repetitive.t (aid integer, bid integer, abalance integer, filler character(84));
INSERT INTO repetitive.t SELECT n, 1 + n / 100000, 0, '' FROM generate_series(1, 105000 * :scale) n;

-- Stored without compression, so that PostgreSQL's is not what is measured.
CREATE SCHEMA large;
CREATE TABLE large.t (id integer, content bytea);
ALTER TABLE large.t ALTER content SET STORAGE EXTERNAL;
INSERT INTO large.t
SELECT n, (SELECT decode(string_agg(md5(random()::text || i || n), ''), 'hex') FROM generate_series(1, 3000) i)
  FROM generate_series(1, 100 * :scale) n;

CREATE SCHEMA json;
CREATE TABLE json.t (id integer, payload jsonb);
INSERT INTO json.t
SELECT n, jsonb_build_object('session', md5(random()::text), 'duration_ms', (random() * 5000)::int, 'referrer',
                             'https://example.com/' || (random() * 300)::int, 'tags', ARRAY[n % 7, n % 11],
                             'agent', 'Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/' || 100 + n % 30)
  FROM generate_series(1, 47000 * :scale) n;

CREATE SCHEMA one;
CREATE TABLE one.t (id integer, at timestamp, user_id integer, path text);
INSERT INTO one.t
SELECT n, timestamp '2026-01-01' + n * interval '1.7 seconds', (random() * 100000)::int,
       '/products/' || (random() * 5000)::int
  FROM generate_series(1, 185000 * :scale) n;

CREATE SCHEMA hundred;
SELECT format('CREATE TABLE hundred.t_%1$s (LIKE one.t);
               INSERT INTO hundred.t_%1$s SELECT * FROM one.t WHERE id %% 100 = %1$s', n)
  FROM generate_series(0, 99) n \gexec

CREATE SCHEMA tree;
CREATE TABLE tree.t (LIKE one.t) PARTITION BY HASH (id);
SELECT format('CREATE TABLE tree.t_%1$s PARTITION OF tree.t FOR VALUES WITH (MODULUS 25, REMAINDER %1$s)', n)
  FROM generate_series(0, 24) n \gexec
INSERT INTO tree.t SELECT * FROM one.t;
