-- No contrib extension has a configuration table, so an extension is told afterwards, from inside an update.
CREATE EXTENSION hstore;
CREATE TABLE settings (name text PRIMARY KEY, value text, builtin boolean DEFAULT false);
CREATE TABLE kinds (id serial PRIMARY KEY, label text);
CREATE TABLE plain (a int);
INSERT INTO settings VALUES ('a', '1', true), ('b', '2', false);
INSERT INTO kinds (label) VALUES ('x'), ('y');
INSERT INTO plain VALUES (1);
ALTER EXTENSION hstore ADD TABLE settings;
ALTER EXTENSION hstore ADD TABLE kinds;
ALTER EXTENSION hstore ADD SEQUENCE kinds_id_seq;
ALTER EXTENSION hstore ADD TABLE plain;
UPDATE pg_extension SET
  extconfig = ARRAY['settings'::regclass::oid, 'kinds'::regclass::oid, 'kinds_id_seq'::regclass::oid],
  extcondition = ARRAY['WHERE NOT builtin', '', '']
WHERE extname = 'hstore';
CREATE TABLE own (kind int REFERENCES kinds, note text);
INSERT INTO own VALUES (1, 'ours');
