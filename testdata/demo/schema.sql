-- A small shop, as an application would have it: the demo's and the benchmark's database.
CREATE EXTENSION citext;
CREATE EXTENSION pg_trgm;

CREATE SCHEMA shop;
CREATE SCHEMA audit;
COMMENT ON SCHEMA shop IS 'what is sold, to whom';
SET search_path = shop, public;

CREATE TYPE order_status AS ENUM ('cart', 'paid', 'packed', 'sent', 'returned');
CREATE DOMAIN price AS numeric(10,2) CHECK (VALUE >= 0);
CREATE DOMAIN country AS char(2) CHECK (VALUE ~ '^[A-Z]{2}$');

CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;

CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email citext NOT NULL UNIQUE,
    name text NOT NULL,
    country country NOT NULL DEFAULT 'DE',
    settings jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    updated_at timestamptz
);
COMMENT ON COLUMN customers.settings IS 'what the customer chose; ''{}'' is all defaults';
CREATE TRIGGER customers_touch BEFORE UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION touch();

CREATE TABLE addresses (
    customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('bill', 'ship')),
    lines text[] NOT NULL,
    postcode varchar(12),
    PRIMARY KEY (customer_id, kind)
);

CREATE TABLE categories (
    id serial PRIMARY KEY,
    parent_id int REFERENCES categories,
    name text NOT NULL,
    UNIQUE (parent_id, name)
);

CREATE TABLE products (
    id serial PRIMARY KEY,
    category_id int NOT NULL REFERENCES categories,
    sku text NOT NULL UNIQUE,
    title text NOT NULL,
    description text,
    price price NOT NULL,
    weight_grams int CHECK (weight_grams > 0),
    search tsvector GENERATED ALWAYS AS (to_tsvector('english', title || ' ' || coalesce(description, ''))) STORED
);
CREATE INDEX products_search ON products USING gin (search);
CREATE INDEX products_title_trgm ON products USING gin (title gin_trgm_ops);

CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY,
    customer_id bigint NOT NULL REFERENCES customers,
    status order_status NOT NULL DEFAULT 'cart',
    placed_at timestamptz NOT NULL,
    note text,
    PRIMARY KEY (id, placed_at)
) PARTITION BY RANGE (placed_at);
CREATE TABLE orders_2023 PARTITION OF orders FOR VALUES FROM ('2023-01-01 00:00:00+00') TO ('2024-01-01 00:00:00+00');
CREATE TABLE orders_2024 PARTITION OF orders FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2025-01-01 00:00:00+00');
CREATE TABLE orders_rest PARTITION OF orders DEFAULT;
CREATE INDEX orders_customer ON orders (customer_id, placed_at DESC);
CREATE INDEX orders_open ON orders (placed_at) WHERE status IN ('paid', 'packed');

CREATE TABLE order_items (
    order_id bigint NOT NULL,
    position smallint NOT NULL,
    product_id int NOT NULL REFERENCES products,
    quantity int NOT NULL DEFAULT 1,
    unit_price price NOT NULL,
    total numeric GENERATED ALWAYS AS (quantity * unit_price) STORED,
    PRIMARY KEY (order_id, position)
);

CREATE TABLE audit.events (
    id bigserial PRIMARY KEY,
    at timestamptz NOT NULL,
    actor inet,
    body jsonb NOT NULL
);
CREATE INDEX events_body ON audit.events USING gin (body jsonb_path_ops);
CREATE INDEX events_at ON audit.events USING brin (at);

CREATE VIEW revenue AS
    SELECT date_trunc('month', o.placed_at) AS month, sum(i.total) AS revenue, count(DISTINCT o.id) AS orders
    FROM orders o JOIN order_items i ON i.order_id = o.id
    WHERE o.status NOT IN ('cart', 'returned')
    GROUP BY 1;

ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_row ON customers USING (email = current_setting('shop.email', true)::citext);
