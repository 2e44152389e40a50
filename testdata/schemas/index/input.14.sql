CREATE INDEX i_brin_options ON t USING brin (a int4_minmax_multi_ops (values_per_range = 16), g timestamptz_bloom_ops (n_distinct_per_range = 100));
