DO $$ BEGIN CREATE ROLE cs_subscriptions_r SUPERUSER; EXCEPTION WHEN duplicate_object THEN END $$;
CREATE SUBSCRIPTION plain CONNECTION 'host=nowhere dbname=''x y''' PUBLICATION a, "B b" WITH (connect = false, slot_name = NONE);
CREATE SUBSCRIPTION "Odd Sub" CONNECTION 'dbname=n password=secret' PUBLICATION p WITH (connect = false, slot_name = NONE, synchronous_commit = 'local');
COMMENT ON SUBSCRIPTION plain IS 'a subscription';
ALTER SUBSCRIPTION "Odd Sub" OWNER TO cs_subscriptions_r;
