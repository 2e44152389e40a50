-- From 15 on privileges on parameters can be granted.
GRANT SET ON PARAMETER log_statement TO worker;
GRANT SET, ALTER SYSTEM ON PARAMETER work_mem TO boss WITH GRANT OPTION;
GRANT SET ON PARAMETER "my.Setting" TO PUBLIC, "quo""ted";
GRANT ALTER SYSTEM ON PARAMETER "my.Setting" TO plain;
SET SESSION AUTHORIZATION boss;
GRANT SET ON PARAMETER work_mem TO worker;
RESET SESSION AUTHORIZATION;
-- A list of quoted names, since 15.19, 16.15, 17.11 and 18.6.
ALTER ROLE plain SET output_plugin_libraries TO 'pgoutput', 'my plugin';
