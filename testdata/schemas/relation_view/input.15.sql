CREATE VIEW invoker WITH (security_invoker = true, security_barrier = false) AS SELECT id FROM t;
