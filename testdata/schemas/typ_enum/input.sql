CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
ALTER TYPE mood ADD VALUE 'meh' BEFORE 'ok';
ALTER TYPE mood ADD VALUE 'Über ''glücklich''' AFTER 'happy';
CREATE TYPE nothing AS ENUM ();
CREATE TYPE "Odd Enum" AS ENUM ('', ' ', 'a,b', '{x}', 'back\slash');
COMMENT ON TYPE mood IS 'how it goes';
CREATE TABLE people (name text, m mood DEFAULT 'ok', ms mood[] DEFAULT '{sad,happy}', o "Odd Enum");
INSERT INTO people VALUES ('a', 'meh', '{meh,ok}', ''), ('b', 'Über ''glücklich''', NULL, 'back\slash'), ('c', NULL, '{}', 'a,b');
CREATE INDEX ON people (m) WHERE m > 'meh';
