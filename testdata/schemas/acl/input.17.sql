GRANT MAINTAIN ON t TO cs_privileges_b;
