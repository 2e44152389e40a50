CREATE SUBSCRIPTION seventeen CONNECTION 'dbname=n' PUBLICATION p WITH (connect = false, slot_name = NONE, failover = true);
