-- Which disk a broker's data is on, who may lead besides the ISR, and replicas that are moving.

ALTER TABLE partitions
    ADD COLUMN eligible BIGINT[] NOT NULL DEFAULT '{}', -- broker ids: who may lead besides the ISR
    ADD COLUMN adding   BIGINT[] NOT NULL DEFAULT '{}', -- broker ids: replicas that are being added
    ADD COLUMN target   BIGINT[]; -- broker ids: what replicas are to become; NULL: they do not move
ALTER TABLE brokers
    ADD COLUMN directory_id TEXT,   -- of the disk that the data is on; NULL: it did not say
    ADD COLUMN disk_lost_at BIGINT; -- the epoch that last came with another disk

DROP VIEW broker_overview;
DROP VIEW topic_overview;
DROP VIEW replicas;

CREATE VIEW replicas AS
SELECT p.topic_name, p.partition, r.broker_id, r.position - 1 AS position,
       r.broker_id IS NOT DISTINCT FROM p.leader AS is_leader,
       r.broker_id = ANY (p.isr) AS in_sync,
       r.broker_id = ANY (p.eligible) AS is_eligible,
       r.broker_id = ANY (p.adding) AS is_adding
FROM partitions AS p, unnest(p.replicas) WITH ORDINALITY AS r (broker_id, position);

CREATE VIEW topic_overview AS
SELECT t.topic_name, t.topic_id, t.replication_factor, t.configs,
       count(p.partition) AS partitions,
       count(p.partition) - count(p.leader) AS offline_partitions,
       count(*) FILTER (WHERE cardinality(p.isr) < cardinality(p.replicas) - cardinality(p.adding))
           AS under_replicated_partitions,
       count(p.target) AS reassigning_partitions
FROM topics AS t LEFT JOIN partitions AS p ON p.topic_name = t.topic_name
GROUP BY t.topic_name;

CREATE VIEW broker_overview AS
SELECT b.broker_id, b.status, b.host, b.port, b.kafka_port, b.rack, b.broker_epoch,
       (SELECT count(*) FROM partitions AS p WHERE p.leader = b.broker_id) AS leader_partitions,
       (SELECT count(*) FROM replicas AS r WHERE r.broker_id = b.broker_id) AS replica_partitions,
       b.directory_id, b.disk_lost_at
FROM brokers AS b;
