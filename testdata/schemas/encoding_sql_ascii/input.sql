CREATE TABLE junk (a text);
INSERT INTO junk VALUES (E'\xff\xfe\x80'), (E'\xc3\x28'), (E'caf\xe9'), (E'utf8 \xc3\xa9'), (E'\xed\xa0\x80\\'), (E'\x81\x5c\n');
COMMENT ON TABLE junk IS E'\xe9\xff';
DO $$ BEGIN EXECUTE E'CREATE TABLE "n\xe9\xff" ("c\xe8" int)'; END $$;
