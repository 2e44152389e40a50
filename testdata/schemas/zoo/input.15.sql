SET search_path = zoo_sequences, public;
\ir ../sequences/input.15.sql
SET search_path = zoo_views, public;
\ir ../views/input.15.sql
SET search_path = zoo_indexes, public;
\ir ../indexes/input.15.sql
SET search_path = zoo_constraints, public;
\ir ../constraints/input.15.sql
SET search_path = zoo_publications, public;
\ir ../publications/input.15.sql
