DO $$ BEGIN CREATE ROLE cs_schema_public_owner_o; EXCEPTION WHEN duplicate_object THEN END $$;
ALTER SCHEMA public OWNER TO cs_schema_public_owner_o;
CREATE TABLE t (a int);
