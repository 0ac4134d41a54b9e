-- Which disk a broker's data is on, who may lead besides the ISR, and replicas that are moving.

ALTER TABLE partitions ADD COLUMN eligible TEXT NOT NULL DEFAULT '[]'; -- JSON array: who may lead besides the ISR
ALTER TABLE partitions ADD COLUMN adding TEXT NOT NULL DEFAULT '[]';   -- JSON array: replicas that are being added
ALTER TABLE partitions ADD COLUMN target TEXT; -- JSON array: what replicas are to become; NULL: they do not move
ALTER TABLE brokers ADD COLUMN directory_id TEXT;    -- of the disk that the data is on; NULL: it did not say
ALTER TABLE brokers ADD COLUMN disk_lost_at INTEGER; -- the epoch that last came with another disk

DROP VIEW broker_overview;
DROP VIEW topic_overview;
DROP VIEW replicas;

CREATE VIEW replicas AS
SELECT p.topic_name, p.partition, r.value AS broker_id, r.key AS position,
       r.value IS p.leader AS is_leader,
       EXISTS (SELECT 1 FROM json_each(p.isr) AS i WHERE i.value = r.value) AS in_sync,
       EXISTS (SELECT 1 FROM json_each(p.eligible) AS i WHERE i.value = r.value) AS is_eligible,
       EXISTS (SELECT 1 FROM json_each(p.adding) AS i WHERE i.value = r.value) AS is_adding
FROM partitions AS p, json_each(p.replicas) AS r;

CREATE VIEW topic_overview AS
SELECT t.topic_name, t.topic_id, t.replication_factor, t.configs,
       count(p.partition) AS partitions,
       count(p.partition) - count(p.leader) AS offline_partitions,
       coalesce(sum(json_array_length(p.isr) < json_array_length(p.replicas) - json_array_length(p.adding)), 0)
           AS under_replicated_partitions,
       count(p.target) AS reassigning_partitions
FROM topics AS t LEFT JOIN partitions AS p ON p.topic_name = t.topic_name
GROUP BY t.topic_name, t.topic_id, t.replication_factor, t.configs;

CREATE VIEW broker_overview AS
SELECT b.broker_id, b.status, b.host, b.port, b.kafka_port, b.rack, b.broker_epoch,
       (SELECT count(*) FROM partitions AS p WHERE p.leader = b.broker_id) AS leader_partitions,
       (SELECT count(*) FROM replicas AS r WHERE r.broker_id = b.broker_id) AS replica_partitions,
       b.directory_id, b.disk_lost_at
FROM brokers AS b;
