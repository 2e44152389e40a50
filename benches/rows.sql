-- One table of about :gigabytes GB of text: psql -v gigabytes=4 -f benches/rows.sql
SELECT setseed(0.5);
CREATE TABLE rows (id integer, at timestamp, user_id integer, path text, payload text);

-- 0.1 GB, which are then copied: that is faster than to generate them.
CREATE TEMPORARY TABLE base AS
SELECT n AS id, timestamp '2026-01-01' + n * interval '1.7 seconds' AS at, (random() * 100000)::int AS user_id,
       '/products/' || (random() * 5000)::int AS path, repeat(md5(random()::text), 5) AS payload
  FROM generate_series(1, 460000) n;
SELECT 'INSERT INTO rows SELECT * FROM base' FROM generate_series(1, 10 * :gigabytes) \gexec
