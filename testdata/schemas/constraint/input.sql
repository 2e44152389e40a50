CREATE EXTENSION btree_gist;
CREATE TABLE parent (id int PRIMARY KEY, code text CONSTRAINT "Code Key" UNIQUE, x int, y int, UNIQUE (x, y) INCLUDE (code) WITH (fillfactor = 60));
CREATE TABLE child (
  id int, pid int REFERENCES parent, code text REFERENCES parent (code) ON UPDATE CASCADE ON DELETE SET NULL,
  x int, y int, self int,
  CONSTRAINT child_pk PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY (x, y) REFERENCES parent (x, y) MATCH FULL ON DELETE RESTRICT DEFERRABLE,
  CONSTRAINT late UNIQUE (pid, x) DEFERRABLE
);
CREATE TABLE node (id int PRIMARY KEY, up int REFERENCES node DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE child ADD CONSTRAINT unchecked FOREIGN KEY (self) REFERENCES parent (id) ON DELETE SET DEFAULT NOT VALID;
CREATE TABLE room (no int, during tsrange, EXCLUDE USING gist (no WITH =, during WITH &&) WHERE (no > 0), CONSTRAINT ex2 EXCLUDE (no WITH =) DEFERRABLE);
CREATE TABLE taken (a int NOT NULL, b text);
CREATE UNIQUE INDEX taken_idx ON taken (a) WITH (fillfactor = 88);
ALTER TABLE taken ADD CONSTRAINT taken_pk PRIMARY KEY USING INDEX taken_idx;
CREATE UNIQUE INDEX taken_b ON taken (b);
ALTER TABLE taken ADD UNIQUE USING INDEX taken_b;
CREATE TABLE a_cycle (id int PRIMARY KEY, b int);
CREATE TABLE b_cycle (id int PRIMARY KEY, a int REFERENCES a_cycle);
ALTER TABLE a_cycle ADD FOREIGN KEY (b) REFERENCES b_cycle;
COMMENT ON CONSTRAINT child_pk ON child IS 'a key';
COMMENT ON CONSTRAINT unchecked ON child IS 'a reference';
COMMENT ON CONSTRAINT ex2 ON room IS 'an exclusion';
INSERT INTO parent VALUES (1, 'a', 1, 1), (2, NULL, 2, 2);
INSERT INTO child VALUES (1, 1, 'a', 1, 1, 1);
INSERT INTO node VALUES (2, 1), (1, NULL);
INSERT INTO a_cycle VALUES (1, NULL);
INSERT INTO b_cycle VALUES (1, 1);
