CREATE STATISTICS s_expr ON (a + b), lower(c), a FROM t;
CREATE STATISTICS s_one ON (a * 2) FROM t;
