SET search_path = zoo_conversions_languages_am, public;
\ir ../conversions_languages_am/input.17.sql
