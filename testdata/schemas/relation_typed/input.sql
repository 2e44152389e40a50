CREATE TYPE person AS (id int, name text, born date);
CREATE TABLE people OF person;
CREATE TABLE staff OF person (id WITH OPTIONS PRIMARY KEY, name WITH OPTIONS NOT NULL DEFAULT 'nobody', CHECK (born > '1900-01-01'));
CREATE TABLE bystander (id int, name text, born date);
ALTER TABLE bystander OF person;
CREATE TABLE parted OF person PARTITION BY RANGE (id);
INSERT INTO people VALUES (1, 'a', '2000-02-29');
INSERT INTO staff VALUES (2, DEFAULT, NULL);
