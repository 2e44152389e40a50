-- Roles of every kind, their settings and their memberships, for any major.
-- psql runs this as the cluster's superuser, "postgres" or another.
SET standard_conforming_strings = on;
-- From 19 on no role, tablespace or database may have a line feed in its name.
SELECT current_setting('server_version_num')::int < 190000 AS line_feeds \gset
\if :line_feeds
SELECT E'new\nline' AS two_lines, E'Two "2"\nlines' AS two_lines_space \gset
\else
SELECT 'new line' AS two_lines, 'Two "2" lines' AS two_lines_space \gset
\endif

CREATE ROLE plain;
CREATE ROLE "quo""ted";
CREATE ROLE "Mixed Case";
CREATE ROLE :"two_lines";
CREATE ROLE "häßlich 表";
CREATE ROLE "select";
CREATE ROLE "back\slash's";
CREATE ROLE everything SUPERUSER CREATEDB CREATEROLE LOGIN REPLICATION BYPASSRLS CONNECTION LIMIT 5 VALID UNTIL 'infinity';
CREATE ROLE nothing NOSUPERUSER NOCREATEDB NOCREATEROLE NOLOGIN NOREPLICATION NOBYPASSRLS NOINHERIT CONNECTION LIMIT 0;
CREATE ROLE no_more CONNECTION LIMIT -1 VALID UNTIL '-infinity';
CREATE ROLE until LOGIN VALID UNTIL '2037-08-01 12:34:56.789+02';
CREATE ROLE with_scram LOGIN PASSWORD 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$HBZfzVTXyyl0EPjyXGPBEa7tdt7zZ6xLIjzFfoTnBLo=:MQMg5nB7xSl5/06MyfFXlZsBsVgrL8NxkYZKYhvcUSo=';
SET client_min_messages = error;
CREATE ROLE with_md5 LOGIN PASSWORD 'md5d1f1ddb8b7c6ec6ab7b6e2b7f9d4d1a0';
RESET client_min_messages;

COMMENT ON ROLE plain IS 'a comment with a ''quote'', a \ and
a line break';
COMMENT ON ROLE "quo""ted" IS 'commented';

ALTER ROLE plain SET search_path TO '$user', public, "Mixed, Case", 'it''s';
ALTER ROLE plain SET DateStyle TO 'German, DMY';
ALTER ROLE plain SET work_mem TO '7MB';
ALTER ROLE plain SET "my.Setting" TO 'va''lue \ with "all"';
ALTER ROLE "quo""ted" SET search_path TO '';
ALTER ROLE :"two_lines" SET role TO 'plain';
ALTER ROLE with_scram SET temp_tablespaces TO '', pg_default;
ALTER ROLE with_scram SET application_name TO E'a\nb';
ALTER ROLE ALL SET lock_timeout TO '12s';

-- Memberships: a chain, several grantors, built-in roles, ADMIN.
CREATE ROLE team_a;
CREATE ROLE team_b;
CREATE ROLE team_c;
CREATE ROLE boss LOGIN CREATEROLE;
CREATE ROLE deputy LOGIN CREATEROLE;
CREATE ROLE worker LOGIN;
GRANT team_a TO team_b;
GRANT team_b TO team_c;
GRANT team_a TO boss WITH ADMIN OPTION;
SET SESSION AUTHORIZATION boss;
GRANT team_a TO deputy WITH ADMIN OPTION;
SET SESSION AUTHORIZATION deputy;
GRANT team_a TO worker;
GRANT team_a TO "quo""ted" WITH ADMIN OPTION;
RESET SESSION AUTHORIZATION;
GRANT team_a TO "Mixed Case";
GRANT pg_monitor TO worker;
GRANT pg_read_all_settings TO boss WITH ADMIN OPTION;
GRANT "select" TO :"two_lines", "häßlich 表" WITH ADMIN OPTION;
GRANT everything TO worker;
