-- One database with nearly everything, each case in a schema of its own: what is right alone must
-- be right, and in the right order, together.
SET check_function_bodies = off;
CREATE SCHEMA zoo_enums;
SET search_path = zoo_enums, public;
\ir ../typ_enum/input.sql
CREATE SCHEMA zoo_domains;
SET search_path = zoo_domains, public;
\ir ../typ_domain/input.sql
CREATE SCHEMA zoo_composite_types;
SET search_path = zoo_composite_types, public;
\ir ../typ_composite/input.sql
CREATE SCHEMA zoo_base_types;
SET search_path = zoo_base_types, public;
\ir ../typ_base/input.sql
CREATE SCHEMA zoo_functions;
SET search_path = zoo_functions, public;
\ir ../routine/input.sql
CREATE SCHEMA zoo_aggregates;
SET search_path = zoo_aggregates, public;
\ir ../routine_aggregate/input.sql
CREATE SCHEMA zoo_table_basics;
SET search_path = zoo_table_basics, public;
\ir ../relation/input.sql
CREATE SCHEMA zoo_table_dropped_columns;
SET search_path = zoo_table_dropped_columns, public;
\ir ../attribute_dropped/input.sql
CREATE SCHEMA zoo_table_serial;
SET search_path = zoo_table_serial, public;
\ir ../sequence_serial/input.sql
CREATE SCHEMA zoo_table_identity;
SET search_path = zoo_table_identity, public;
\ir ../sequence_identity/input.sql
CREATE SCHEMA zoo_table_generated;
SET search_path = zoo_table_generated, public;
\ir ../attribute_generated/input.sql
CREATE SCHEMA zoo_table_replica_identity;
SET search_path = zoo_table_replica_identity, public;
\ir ../index_replica_identity/input.sql
CREATE SCHEMA zoo_table_clustered;
SET search_path = zoo_table_clustered, public;
\ir ../index_clustered/input.sql
CREATE SCHEMA zoo_inheritance;
SET search_path = zoo_inheritance, public;
\ir ../inherit/input.sql
CREATE SCHEMA zoo_typed_tables;
SET search_path = zoo_typed_tables, public;
\ir ../relation_typed/input.sql
CREATE SCHEMA zoo_partitions;
SET search_path = zoo_partitions, public;
\ir ../inherit_partitions/input.sql
CREATE SCHEMA zoo_sequences;
SET search_path = zoo_sequences, public;
\ir ../sequence/input.sql
CREATE SCHEMA zoo_views;
SET search_path = zoo_views, public;
\ir ../relation_view/input.sql
CREATE SCHEMA zoo_views_circular;
SET search_path = zoo_views_circular, public;
\ir ../relation_view_circular/input.sql
CREATE SCHEMA zoo_matviews;
SET search_path = zoo_matviews, public;
\ir ../relation_matview/input.sql
CREATE SCHEMA zoo_indexes;
SET search_path = zoo_indexes, public;
\ir ../index/input.sql
CREATE SCHEMA zoo_constraints;
SET search_path = zoo_constraints, public;
\ir ../constraint/input.sql
CREATE SCHEMA zoo_triggers;
SET search_path = zoo_triggers, public;
\ir ../trigger/input.sql
CREATE SCHEMA zoo_rules;
SET search_path = zoo_rules, public;
\ir ../rule/input.sql
CREATE SCHEMA zoo_row_security;
SET search_path = zoo_row_security, public;
\ir ../policy/input.sql
CREATE SCHEMA zoo_statistics_objects;
SET search_path = zoo_statistics_objects, public;
\ir ../statistics/input.sql
CREATE SCHEMA zoo_operators;
SET search_path = zoo_operators, public;
\ir ../operator/input.sql
CREATE SCHEMA zoo_casts;
SET search_path = zoo_casts, public;
\ir ../language_cast/input.sql
CREATE SCHEMA zoo_conversions_languages_am;
SET search_path = zoo_conversions_languages_am, public;
\ir ../conversion_language_access_method/input.sql
CREATE SCHEMA zoo_text_search;
SET search_path = zoo_text_search, public;
\ir ../text_search/input.sql
CREATE SCHEMA zoo_foreign;
SET search_path = zoo_foreign, public;
\ir ../foreign/input.sql
CREATE SCHEMA zoo_publications;
SET search_path = zoo_publications, public;
\ir ../publication/input.sql
CREATE SCHEMA zoo_loops;
SET search_path = zoo_loops, public;
\ir ../order_loops/input.sql
CREATE SCHEMA zoo_order_ties;
SET search_path = zoo_order_ties, public;
\ir ../order_ties/input.sql
CREATE SCHEMA zoo_data_that_hurts;
SET search_path = zoo_data_that_hurts, public;
\ir ../table_data_that_hurts/input.sql
CREATE SCHEMA zoo_data_types;
SET search_path = zoo_data_types, public;
\ir ../table_data_types/input.sql
CREATE SCHEMA zoo_data_generated_columns;
SET search_path = zoo_data_generated_columns, public;
\ir ../table_data_generated_columns/input.sql
CREATE SCHEMA zoo_data_order;
SET search_path = zoo_data_order, public;
\ir ../table_data_order/input.sql
CREATE SCHEMA zoo_large_objects;
SET search_path = zoo_large_objects, public;
\ir ../large_object/input.sql
