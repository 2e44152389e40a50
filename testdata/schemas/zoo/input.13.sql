SET search_path = zoo_indexes, public;
\ir ../indexes/input.13.sql
SET search_path = zoo_statistics_objects, public;
\ir ../statistics_objects/input.13.sql
SET search_path = zoo_publications, public;
\ir ../publications/input.13.sql
