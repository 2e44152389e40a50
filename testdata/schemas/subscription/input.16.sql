CREATE SUBSCRIPTION sixteen CONNECTION 'dbname=n password=x' PUBLICATION p WITH (connect = false, slot_name = NONE, streaming = parallel, origin = none, run_as_owner = true, password_required = false);
CREATE SUBSCRIPTION any_origin CONNECTION 'dbname=n' PUBLICATION p WITH (connect = false, slot_name = NONE, origin = 'ANY');
