SET search_path = zoo_conversions_languages_am, public;
\ir ../conversion_language_access_method/input.17.sql
