CREATE INDEX i_gist_options ON t USING gist (e tsvector_ops (siglen = 64));
CREATE INDEX i_no_dedup ON t (a) WITH (deduplicate_items = off);
