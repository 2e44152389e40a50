-- Databases of every kind, and what was changed in those that are there from the start.
CREATE DATABASE app OWNER plain;
CREATE DATABASE "App ""2"" it's" OWNER "quo""ted" CONNECTION LIMIT 7 TABLESPACE one;
CREATE DATABASE no_entry ALLOW_CONNECTIONS false;
CREATE DATABASE a_template IS_TEMPLATE true;
CREATE DATABASE latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
CREATE DATABASE skipped;
COMMENT ON DATABASE app IS 'an app''s';
COMMENT ON DATABASE postgres IS 'changed';
GRANT CREATE ON DATABASE app TO worker WITH GRANT OPTION;
REVOKE CONNECT ON DATABASE app FROM PUBLIC;
GRANT CREATE ON DATABASE postgres TO worker;
GRANT TEMPORARY ON DATABASE template1 TO boss;
ALTER DATABASE app SET search_path TO "$user", 'other';
ALTER DATABASE postgres SET work_mem TO '5MB';
ALTER DATABASE template1 SET DateStyle TO 'SQL';
ALTER ROLE plain IN DATABASE app SET search_path TO a, "B b";
ALTER ROLE worker IN DATABASE postgres SET work_mem TO '6MB';
ALTER ROLE worker IN DATABASE "App ""2"" it's" SET work_mem TO '8MB';
\connect app
CREATE SCHEMA other AUTHORIZATION worker;
CREATE TABLE other.rows (id int PRIMARY KEY, text text);
ALTER TABLE other.rows OWNER TO plain;
INSERT INTO other.rows SELECT g, 'row ' || g FROM generate_series(1, 50) g;
GRANT SELECT ON other.rows TO worker;
DO $$ BEGIN PERFORM lo_from_bytea(4711, 'a large object'); END $$;
\connect template1
CREATE TABLE in_template (a int);
INSERT INTO in_template VALUES (1);
\connect postgres
CREATE TABLE in_postgres (a int);
INSERT INTO in_postgres VALUES (2);
\connect latin1
CREATE TABLE t (a text);
INSERT INTO t VALUES (U&'\00E4');
\connect -reuse-previous=on "dbname='App ""2"" it\'s'"
CREATE TABLE t (a text) TABLESPACE pg_default;
