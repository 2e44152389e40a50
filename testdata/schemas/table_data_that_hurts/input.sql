CREATE TABLE one_column (t text);
INSERT INTO one_column VALUES ('\.'), ('\N'), (NULL), (''), ('\\.'), (E'\n'), (E'\r'), (E'\r\n'), (E'\t'), (E'\b\f\v'), ('\'), ('\x41'), (E'a\nb'), (E'\\.\n'), (' lead'), ('trail '), ('.'), ('it''s'), ('"q"'), ('$$'), (E'\x01\x1f\x7f'), ('COPY x FROM stdin;'), ('--'), ('☃ ünï 表 𝄞'), (E'é');
CREATE TABLE two (a text, b text);
INSERT INTO two VALUES (NULL, NULL), ('', ''), ('\', NULL), (E'\t\t', E'\n\n');
CREATE TABLE zero ();
INSERT INTO zero DEFAULT VALUES;
INSERT INTO zero DEFAULT VALUES;
INSERT INTO zero DEFAULT VALUES;
CREATE TABLE empty (a int, b text);
CREATE TABLE wide AS SELECT repeat('x', 100000) AS big, repeat(E'\\', 50000) AS slashes, string_agg(g::text, E'\n') AS lines FROM generate_series(1, 2000) g;
CREATE TABLE chars (a char(5), b "char", c varchar(3), d name);
INSERT INTO chars VALUES ('ab', 'x', 'é', 'n'), ('', '', '', ''), ('     ', E'\\', NULL, NULL);
SELECT 'CREATE TABLE many (' || string_agg(format('c%s int', g), ', ') || ')' FROM generate_series(1, 500) g \gexec
INSERT INTO many (c1, c250, c500) VALUES (1, 2, 3);
