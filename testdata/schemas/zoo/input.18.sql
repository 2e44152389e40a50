CREATE SCHEMA zoo_table_generated_virtual;
SET search_path = zoo_table_generated_virtual, public;
\ir ../attribute_generated_virtual/input.sql
SET search_path = zoo_publications, public;
\ir ../publication/input.18.sql
