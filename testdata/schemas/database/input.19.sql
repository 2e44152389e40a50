ALTER DATABASE :"DBNAME" SET temp_tablespaces TO NULL;
ALTER ROLE cs_database_level_a IN DATABASE :"DBNAME" SET search_path TO NULL;
