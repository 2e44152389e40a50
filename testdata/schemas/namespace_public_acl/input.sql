DO $$ BEGIN CREATE ROLE cs_schema_public_acl_app; EXCEPTION WHEN duplicate_object THEN END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO cs_schema_public_acl_app;
COMMENT ON SCHEMA public IS 'ours now';
CREATE TABLE t (a int);
