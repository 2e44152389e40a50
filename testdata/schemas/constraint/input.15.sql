CREATE TABLE fifteen (a int UNIQUE NULLS NOT DISTINCT, b int, c int, x int, y int, FOREIGN KEY (x, y) REFERENCES parent (x, y) ON DELETE SET NULL (y));
