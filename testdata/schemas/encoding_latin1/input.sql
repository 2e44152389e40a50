SET client_encoding = 'UTF8';
CREATE TABLE "schön" ("größe" int, t text DEFAULT 'ä');
INSERT INTO "schön" VALUES (1, 'äöü ÿ ¡ ß'), (2, chr(233));
COMMENT ON TABLE "schön" IS 'très bien';
CREATE TYPE e AS ENUM ('é');
