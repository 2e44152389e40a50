CREATE SUBSCRIPTION fourteen CONNECTION 'dbname=n' PUBLICATION p WITH (connect = false, slot_name = NONE, binary = true, streaming = true);
