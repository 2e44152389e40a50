CREATE TABLE parent (a int CONSTRAINT "é$1" NOT NULL, b int CONSTRAINT "values" NOT NULL, c int CONSTRAINT plain NOT NULL);
CREATE TABLE child (a int NOT NULL, b int NOT NULL, c int NOT NULL) INHERITS (parent);
CREATE TABLE "a ""parent""" ("Column" int NOT NULL, d int CONSTRAINT "table" NOT NULL, e int CONSTRAINT "Upper" NOT NULL, f int CONSTRAINT "new
line" NOT NULL);
CREATE TABLE "a child" ("Column" int NOT NULL, d int NOT NULL, e int NOT NULL, f int NOT NULL) INHERITS ("a ""parent""");
