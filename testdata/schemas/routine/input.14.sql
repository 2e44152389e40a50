CREATE PROCEDURE outs(IN a int, OUT b int, OUT c text) LANGUAGE plpgsql AS $$ BEGIN b := a; END $$;
COMMENT ON PROCEDURE outs IS 'has OUT arguments';
GRANT EXECUTE ON PROCEDURE outs TO cs_functions_r;
