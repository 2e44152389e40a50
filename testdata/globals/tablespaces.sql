-- The server makes the directories beside its own, so that they are its own.
SELECT regexp_replace(current_setting('data_directory'), '[^/]*$', 'spaces') AS spaces \gset
SELECT :'spaces' || '/one' AS one, :'spaces' || '/two "2"' AS two, :'spaces' || '/three' AS three \gset
SELECT format('mkdir -p "$(dirname %1$L)" && mkdir %1$L %2$L %3$L', :'one', :'two', :'three') AS mkdir \gset
COPY (SELECT) TO PROGRAM :'mkdir';
CREATE TABLESPACE one OWNER plain LOCATION :'one' WITH (random_page_cost = 1.5, seq_page_cost = 0.5);
CREATE TABLESPACE :"two_lines_space" OWNER "quo""ted" LOCATION :'two';
CREATE TABLESPACE three LOCATION :'three' WITH (effective_io_concurrency = 7);
COMMENT ON TABLESPACE one IS 'it''s the first';
COMMENT ON TABLESPACE pg_default IS 'not dumped';
GRANT CREATE ON TABLESPACE one TO worker WITH GRANT OPTION;
GRANT CREATE ON TABLESPACE one TO PUBLIC;
SET SESSION AUTHORIZATION worker;
GRANT CREATE ON TABLESPACE one TO "Mixed Case";
RESET SESSION AUTHORIZATION;
REVOKE CREATE ON TABLESPACE :"two_lines_space" FROM "quo""ted";
