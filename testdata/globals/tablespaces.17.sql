-- 15 and 16 have them too, but their pg_dumpall names the directory, which can't be restored.
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE in_place LOCATION '';
