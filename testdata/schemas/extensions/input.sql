CREATE SCHEMA ext;
CREATE EXTENSION hstore SCHEMA ext;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION citext;
COMMENT ON EXTENSION citext IS 'our own words';
CREATE TABLE t (id int DEFAULT length(show_trgm('abc')::text), email citext UNIQUE, tags ext.hstore);
CREATE INDEX t_email_trgm ON t USING gin ((email::text) gin_trgm_ops);
CREATE INDEX t_tags ON t USING gist (tags);
INSERT INTO t VALUES (1, 'A@b.example', 'a=>1, b=>NULL');
