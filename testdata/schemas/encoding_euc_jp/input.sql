SET client_encoding = 'UTF8';
CREATE TABLE "日本" ("列" text);
INSERT INTO "日本" VALUES ('こんにちは、世界'), ('ｱｲｳ'), ('表\ソ'), (E'改\n行');
COMMENT ON TABLE "日本" IS '説明';
