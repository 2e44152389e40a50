CREATE PUBLICATION via_root FOR TABLE p WITH (publish_via_partition_root = true, publish = '');
