SET search_path = zoo_sequences, public;
\ir ../sequence/input.15.sql
SET search_path = zoo_views, public;
\ir ../relation_view/input.15.sql
SET search_path = zoo_indexes, public;
\ir ../index/input.15.sql
SET search_path = zoo_constraints, public;
\ir ../constraint/input.15.sql
SET search_path = zoo_publications, public;
\ir ../publication/input.15.sql
