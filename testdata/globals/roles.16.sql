-- From 16 on a membership is known by its grantor too, and has options of its own.
CREATE ROLE a_first LOGIN CREATEROLE;
CREATE ROLE z_last LOGIN CREATEROLE;
CREATE ROLE m_middle LOGIN CREATEROLE;
CREATE ROLE shared;
-- The chain runs against the alphabet: z_last must come before m_middle and a_first.
GRANT shared TO z_last WITH ADMIN OPTION, INHERIT FALSE;
SET SESSION AUTHORIZATION z_last;
GRANT shared TO m_middle WITH ADMIN OPTION, SET FALSE;
SET SESSION AUTHORIZATION m_middle;
GRANT shared TO a_first WITH ADMIN OPTION, INHERIT TRUE, SET TRUE;
GRANT shared TO worker WITH INHERIT FALSE, SET FALSE;
SET SESSION AUTHORIZATION a_first;
GRANT shared TO worker WITH INHERIT TRUE;
RESET SESSION AUTHORIZATION;
GRANT shared TO worker WITH INHERIT FALSE;
GRANT shared TO a_first;
GRANT shared TO deputy WITH SET FALSE;
GRANT team_b TO worker WITH INHERIT FALSE, SET FALSE, ADMIN TRUE;
GRANT pg_monitor TO boss WITH INHERIT FALSE;
-- Who creates a role gets ADMIN OPTION on it.
SET SESSION AUTHORIZATION boss;
CREATE ROLE made_by_boss;
GRANT made_by_boss TO deputy WITH ADMIN OPTION;
RESET SESSION AUTHORIZATION;
