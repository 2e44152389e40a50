CREATE TABLE g (a int, b int GENERATED ALWAYS AS (a * 2) STORED);
CREATE PUBLICATION generated FOR TABLE g WITH (publish_generated_columns = stored);
