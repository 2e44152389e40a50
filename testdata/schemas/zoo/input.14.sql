CREATE SCHEMA zoo_table_storage;
SET search_path = zoo_table_storage, public;
\ir ../attribute_storage/input.sql
CREATE SCHEMA zoo_sql_bodies;
SET search_path = zoo_sql_bodies, public;
\ir ../routine_sql_bodies/input.sql
CREATE SCHEMA zoo_range_types;
SET search_path = zoo_range_types, public;
\ir ../typ_range/input.sql
SET search_path = zoo_functions, public;
\ir ../routine/input.14.sql
SET search_path = zoo_indexes, public;
\ir ../index/input.14.sql
SET search_path = zoo_statistics_objects, public;
\ir ../statistics/input.14.sql
