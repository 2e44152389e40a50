DO $$ BEGIN CREATE ROLE cs_statistics_objects_r; EXCEPTION WHEN duplicate_object THEN END $$;
CREATE SCHEMA st;
GRANT CREATE ON SCHEMA st TO cs_statistics_objects_r;
CREATE TABLE t (a int, b int, c text);
CREATE STATISTICS s_all ON a, b FROM t;
CREATE STATISTICS st."S Some" (ndistinct, mcv) ON a, c FROM t;
CREATE STATISTICS s_dep (dependencies) ON b, c FROM t;
COMMENT ON STATISTICS s_all IS 'everything';
ALTER STATISTICS st."S Some" OWNER TO cs_statistics_objects_r;
