CREATE SUBSCRIPTION nineteen CONNECTION 'dbname=n' PUBLICATION p WITH (connect = false, slot_name = NONE, retain_dead_tuples = true, max_retention_duration = 5000, wal_receiver_timeout = '10s', synchronous_commit = 'local', origin = none);
CREATE SUBSCRIPTION nineteen_zero CONNECTION 'dbname=n' PUBLICATION p WITH (connect = false, slot_name = NONE, wal_receiver_timeout = 0);
CREATE EXTENSION postgres_fdw;
CREATE SERVER "Publisher's" FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere', dbname 'n');
CREATE USER MAPPING FOR PUBLIC SERVER "Publisher's" OPTIONS ("user" 'u', password 'p');
CREATE SUBSCRIPTION by_server SERVER "Publisher's" PUBLICATION p WITH (connect = false, slot_name = NONE);
