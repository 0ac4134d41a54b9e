-- One metadata node's log, vote and snapshots, and the metadata as tables for people to query.
-- A migration is never changed once it is released; the next one gets the next number, in both directories.

-- Whose database this is. One row.
CREATE TABLE raft_node (
    one            BIGINT PRIMARY KEY CHECK (one = 1),
    cluster_id     TEXT   NOT NULL,
    node_id        BIGINT NOT NULL,
    storage_id     TEXT   NOT NULL, -- drawn when the database was created
    schema_version BIGINT NOT NULL, -- number of the last migration
    owner_epoch    BIGINT NOT NULL, -- counts the processes that took hold of this database
    owner          TEXT   NOT NULL  -- the last one
);

-- The vote, and how far the log was purged. One row.
CREATE TABLE raft_state (
    one            BIGINT PRIMARY KEY CHECK (one = 1),
    vote_term      BIGINT,
    vote_node      BIGINT,
    vote_committed BIGINT, -- 1: a quorum granted it
    purged_idx     BIGINT,
    purged_term    BIGINT
);
INSERT INTO raft_state (one) VALUES (1);

CREATE TABLE raft_log (
    idx     BIGINT PRIMARY KEY,
    term    BIGINT NOT NULL,
    kind    TEXT   NOT NULL, -- blank, command, membership
    fmt     BIGINT NOT NULL, -- version of the payload's format
    payload TEXT             -- JSON
);

CREATE TABLE raft_snapshot (
    id         BIGINT PRIMARY KEY,
    last_idx   BIGINT,
    last_term  BIGINT,
    membership TEXT   NOT NULL, -- JSON
    fmt        BIGINT NOT NULL,
    codec      TEXT   NOT NULL,
    bytes      BIGINT NOT NULL,
    sha256     TEXT   NOT NULL,
    complete   BIGINT NOT NULL  -- 0 while its chunks are being written
);

CREATE TABLE raft_snapshot_chunk (
    id   BIGINT NOT NULL,
    seq  BIGINT NOT NULL,
    data BYTEA  NOT NULL,
    UNIQUE (id, seq)
);
-- Chunks are compressed already.
ALTER TABLE raft_snapshot_chunk ALTER COLUMN data SET STORAGE EXTERNAL;

-- Up to which log entry the tables below hold all changes: written in the same transaction as they are. One row.
CREATE TABLE metadata_applied (
    one  BIGINT PRIMARY KEY CHECK (one = 1),
    idx  BIGINT,
    term BIGINT
);
INSERT INTO metadata_applied (one) VALUES (1);

CREATE TABLE topics (
    topic_name         TEXT   PRIMARY KEY,
    topic_id           TEXT   NOT NULL,
    replication_factor BIGINT NOT NULL,
    configs            JSON   NOT NULL -- object
);

CREATE TABLE partitions (
    topic_name      TEXT     NOT NULL,
    partition       BIGINT   NOT NULL,
    leader          BIGINT, -- NULL: offline
    leader_epoch    BIGINT   NOT NULL,
    partition_epoch BIGINT   NOT NULL,
    replicas        BIGINT[] NOT NULL, -- broker ids, preferred leader first
    isr             BIGINT[] NOT NULL, -- broker ids
    PRIMARY KEY (topic_name, partition)
);

CREATE TABLE brokers (
    broker_id      BIGINT PRIMARY KEY,
    broker_epoch   BIGINT NOT NULL,
    incarnation_id TEXT   NOT NULL,
    host           TEXT   NOT NULL,
    port           BIGINT NOT NULL,
    kafka_port     BIGINT,
    rack           TEXT,
    status         TEXT   NOT NULL -- ONLINE, OFFLINE, DRAINING
);

CREATE TABLE metadata_events (
    version    BIGINT NOT NULL, -- log index of the command
    seq        BIGINT NOT NULL, -- place among its events
    time_ms    BIGINT NOT NULL, -- Unix ms, the controller's clock
    author     TEXT   NOT NULL,
    request_id TEXT,
    kind       TEXT   NOT NULL,
    subject    TEXT   NOT NULL, -- topic:NAME, broker:ID, cluster
    before     JSON,            -- what was changed, as it was
    after      JSON,            -- the event
    PRIMARY KEY (version, seq)
);
CREATE INDEX metadata_events_by_subject ON metadata_events (subject, version);

-- Views: what is documented for people and scripts. The tables above may change with a version, these do not.

CREATE VIEW replicas AS
SELECT p.topic_name, p.partition, r.broker_id, r.position - 1 AS position,
       r.broker_id IS NOT DISTINCT FROM p.leader AS is_leader,
       r.broker_id = ANY (p.isr) AS in_sync
FROM partitions AS p, unnest(p.replicas) WITH ORDINALITY AS r (broker_id, position);

CREATE VIEW topic_overview AS
SELECT t.topic_name, t.topic_id, t.replication_factor, t.configs,
       count(p.partition) AS partitions,
       count(p.partition) - count(p.leader) AS offline_partitions,
       count(*) FILTER (WHERE cardinality(p.isr) < cardinality(p.replicas)) AS under_replicated_partitions
FROM topics AS t LEFT JOIN partitions AS p ON p.topic_name = t.topic_name
GROUP BY t.topic_name;

CREATE VIEW broker_overview AS
SELECT b.broker_id, b.status, b.host, b.port, b.kafka_port, b.rack, b.broker_epoch,
       (SELECT count(*) FROM partitions AS p WHERE p.leader = b.broker_id) AS leader_partitions,
       (SELECT count(*) FROM replicas AS r WHERE r.broker_id = b.broker_id) AS replica_partitions
FROM brokers AS b;

CREATE VIEW metadata_history AS
SELECT version, seq, to_timestamp(time_ms / 1000.0) AS time,
       author, request_id, kind, subject, before, after
FROM metadata_events;

CREATE VIEW raft_log_commands AS
SELECT idx, term, payload::json -> 'command' ->> 'type' AS command, payload::json ->> 'author' AS author,
       to_timestamp((payload::json ->> 'timeMs')::bigint / 1000.0) AS time, payload
FROM raft_log WHERE kind = 'command';
