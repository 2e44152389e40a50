-- A database of a product, about 100 MB of text for each unit of :scale. One table, events, is 70 % of it. The others are
-- the kinds of tables that dumps differ for: narrow, wide and repetitive rows, long texts, bytea, partitions, large
-- objects. The figures are the same in each run.
SELECT setseed(0.5);

CREATE TABLE events (
    id bigint NOT NULL,
    happened_at timestamptz NOT NULL,
    user_id integer,
    kind text NOT NULL,
    path text,
    payload jsonb
);
INSERT INTO events
SELECT n, timestamptz '2026-01-01 00:00:00+00' + n * interval '1.7 seconds', (random() * 100000)::int,
       (ARRAY['page_view', 'login', 'search', 'add_to_cart', 'purchase'])[1 + (random() * 4)::int],
       '/products/' || (random() * 5000)::int,
       jsonb_build_object('session', md5(random()::text), 'duration_ms', (random() * 5000)::int, 'referrer',
                          'https://example.com/' || (random() * 300)::int, 'tags', ARRAY[n % 7, n % 11])
  FROM generate_series(1, 295000 * :scale) n;
ALTER TABLE events ADD PRIMARY KEY (id);

CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer, placed_on date, status text, total numeric(10, 2));
INSERT INTO orders
SELECT n, (random() * 30000)::int, date '2024-01-01' + (n % 700), (ARRAY['new', 'paid', 'shipped'])[1 + n % 3],
       (random() * 500)::numeric(10, 2)
  FROM generate_series(1, 150000 * :scale) n;
CREATE INDEX ON orders (customer_id);

-- As pgbench_accounts: rows that differ in their numbers only.
CREATE TABLE accounts (aid integer PRIMARY KEY, bid integer, abalance integer, filler character(84));
INSERT INTO accounts SELECT n, n / 100000, 0, '' FROM generate_series(1, 50000 * :scale) n;

SELECT format('CREATE TABLE measurements (id integer, %s)', string_agg(format('m%s double precision', n), ', ' ORDER BY n))
  FROM generate_series(1, 40) n \gexec
SELECT format('INSERT INTO measurements SELECT n, %s FROM generate_series(1, %s) n',
              string_agg('round((random() * 1000)::numeric, 3)', ', '), 17000 * :scale)
  FROM generate_series(1, 40) \gexec

CREATE TABLE articles (id integer PRIMARY KEY, title text, body text);
INSERT INTO articles
SELECT n, 'Article ' || n,
       (SELECT string_agg((ARRAY['the', 'index', 'of', 'a', 'table', 'keeps', 'values', 'sorted', 'and', 'points', 'to',
                                 'rows', 'where', E'\n', 'each', 'page'])[1 + (random() * 15)::int] || (i % 3), ' ')
          FROM generate_series(1, 3000 + n % 1000) i)
  FROM generate_series(1, 200 * :scale) n;

CREATE TABLE files (id integer PRIMARY KEY, content bytea);
ALTER TABLE files ALTER content SET STORAGE EXTERNAL;
INSERT INTO files
SELECT n, (SELECT decode(string_agg(md5(random()::text || i || n), ''), 'hex') FROM generate_series(1, 100 + n % 300) i)
  FROM generate_series(1, 250 * :scale) n;

CREATE TABLE readings (sensor integer, taken_at timestamp, value real) PARTITION BY RANGE (taken_at);
SELECT format('CREATE TABLE readings_%s PARTITION OF readings FOR VALUES FROM (%L) TO (%L)', to_char(d, 'YYYY_MM'), d,
              d + interval '1 month')
  FROM generate_series(timestamp '2026-01-01', timestamp '2026-12-01', interval '1 month') d \gexec
INSERT INTO readings
SELECT n % 500, timestamp '2026-01-01' + (n % 31536000) * interval '1 second', random() * 100
  FROM (SELECT n * 97::bigint AS n FROM generate_series(1, 60000 * :scale) n) numbers;

SELECT count(lo_from_bytea(0, decode(repeat(md5(n::text), 500), 'hex'))) FROM generate_series(1, 25 * :scale) n;
