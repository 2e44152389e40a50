SET search_path = zoo_indexes, public;
\ir ../index/input.13.sql
SET search_path = zoo_statistics_objects, public;
\ir ../statistics/input.13.sql
SET search_path = zoo_publications, public;
\ir ../publication/input.13.sql
