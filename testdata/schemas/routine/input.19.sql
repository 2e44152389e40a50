CREATE FUNCTION no_search_path() RETURNS int LANGUAGE sql SET search_path TO NULL SET local_preload_libraries TO '' AS 'SELECT 1';
