SET allow_in_place_tablespaces = on;
SELECT 'CREATE TABLESPACE cs_tablespaces_a LOCATION ''''' WHERE NOT EXISTS (SELECT FROM pg_tablespace WHERE spcname = 'cs_tablespaces_a') \gexec
SELECT 'CREATE TABLESPACE "cs_tablespaces B b" LOCATION ''''' WHERE NOT EXISTS (SELECT FROM pg_tablespace WHERE spcname = 'cs_tablespaces B b') \gexec
CREATE TABLE a_default (a int PRIMARY KEY);
CREATE TABLE b_there (a int PRIMARY KEY USING INDEX TABLESPACE "cs_tablespaces B b", b int UNIQUE) TABLESPACE cs_tablespaces_a;
CREATE INDEX i_there ON a_default (a) TABLESPACE cs_tablespaces_a;
CREATE INDEX i_here ON b_there (b);
CREATE MATERIALIZED VIEW m TABLESPACE "cs_tablespaces B b" AS SELECT 1 AS a;
CREATE TABLE p (a int) PARTITION BY LIST (a) TABLESPACE cs_tablespaces_a;
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2) TABLESPACE pg_default;
CREATE INDEX pi ON p (a) TABLESPACE "cs_tablespaces B b";
INSERT INTO b_there VALUES (1, 2);
