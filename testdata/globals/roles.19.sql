-- From 19 on a list can be emptied, which is not a list of one empty name, and backslashes stay as they are.
ALTER ROLE worker SET search_path TO NULL;
ALTER ROLE worker SET session_preload_libraries TO NULL;
ALTER ROLE boss SET search_path TO 'back\slash', '';
COMMENT ON ROLE boss IS 'c:\temp';
