-- Some 100 MB of rows, the same on every run of one version. `psql -v scale=N` multiplies them.
\if :{?scale} \else \set scale 1 \endif
SET search_path = shop, public;
SET synchronous_commit = off;
BEGIN;
SELECT setseed(0.42);

INSERT INTO categories (parent_id, name)
SELECT CASE WHEN g > 10 THEN 1 + g % 10 END, 'Category ' || g FROM generate_series(1, 60) g;

INSERT INTO products (category_id, sku, title, description, price, weight_grams)
SELECT 1 + g % 60, 'SKU-' || lpad(g::text, 7, '0'),
    (ARRAY['Oak', 'Steel', 'Linen', 'Glass', 'Wool', 'Copper'])[1 + g % 6] || ' ' ||
    (ARRAY['table', 'lamp', 'chair', 'bowl', 'blanket', 'shelf', 'clock'])[1 + g % 7] || ' no. ' || g,
    CASE WHEN g % 3 > 0 THEN 'Made with care; weighs little. ' || md5(g::text) || E'\n\tSee also: ' || md5((g * 31)::text) END,
    round((5 + random() * 500)::numeric, 2), 100 + (random() * 9000)::int
FROM generate_series(1, 5000) g;

INSERT INTO customers (email, name, country, settings, created_at)
SELECT 'customer' || g || '@shop.example',
    (ARRAY['Ada', 'Björn', 'Chloé', 'Dmitri', 'Emre', 'Fatima'])[1 + g % 6] || ' ' || initcap(substr(md5(g::text), 1, 8)),
    (ARRAY['DE', 'FR', 'SE', 'PL', 'TR'])[1 + g % 5],
    CASE WHEN g % 4 = 0 THEN jsonb_build_object('newsletter', g % 8 = 0, 'theme', 'dark', 'quote', 'a "b" \ c') ELSE '{}' END,
    '2022-01-01 00:00:00+00'::timestamptz + g * interval '11 minutes'
FROM generate_series(1, 60000 * :scale) g;

INSERT INTO addresses
SELECT g, k, ARRAY['Street ' || g % 977, 'c/o ' || md5(g::text)], lpad((g * 37 % 99999)::text, 5, '0')
FROM generate_series(1, 60000 * :scale) g, unnest(ARRAY['bill', 'ship']) k WHERE k = 'bill' OR g % 3 = 0;

INSERT INTO orders (customer_id, status, placed_at, note)
SELECT 1 + (random() * (60000 * :scale - 1))::int,
    (ARRAY['paid', 'packed', 'sent', 'sent', 'sent', 'returned'])[1 + g % 6]::order_status,
    '2023-01-01 00:00:00+00'::timestamptz + g * (interval '800 days' / (250000 * :scale)),
    CASE WHEN g % 20 = 0 THEN E'please ring\ttwice' END
FROM generate_series(1, 250000 * :scale) g;

INSERT INTO order_items (order_id, position, product_id, quantity, unit_price)
SELECT g, p, 1 + (random() * 4999)::int, 1 + (random() * 4)::int, round((5 + random() * 500)::numeric, 2)
FROM generate_series(1, 250000 * :scale) g, generate_series(1, 3) p WHERE p <= 1 + g % 3;

INSERT INTO audit.events (at, actor, body)
SELECT '2024-01-01 00:00:00+00'::timestamptz + g * interval '97 seconds',
    ('10.' || g % 250 || '.' || g % 199 || '.' || 1 + g % 97)::inet,
    jsonb_build_object('path', '/p/' || g % 5000, 'ms', round((random() * 900)::numeric, 3), 'agent', 'Browser/' || g % 40,
        'session', md5((g / 7)::text), 'tags', jsonb_build_array('web', g % 3, NULL), 'referrer', 'https://shop.example/c/' || g % 60)
FROM generate_series(1, 270000 * :scale) g;
COMMIT;
