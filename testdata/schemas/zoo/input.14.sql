CREATE SCHEMA zoo_table_storage;
SET search_path = zoo_table_storage, public;
\ir ../table_storage/input.sql
CREATE SCHEMA zoo_sql_bodies;
SET search_path = zoo_sql_bodies, public;
\ir ../sql_bodies/input.sql
CREATE SCHEMA zoo_range_types;
SET search_path = zoo_range_types, public;
\ir ../range_types/input.sql
SET search_path = zoo_functions, public;
\ir ../functions/input.14.sql
SET search_path = zoo_indexes, public;
\ir ../indexes/input.14.sql
SET search_path = zoo_statistics_objects, public;
\ir ../statistics_objects/input.14.sql
