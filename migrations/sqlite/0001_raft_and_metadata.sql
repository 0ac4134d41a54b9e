-- One metadata node's log, vote and snapshots, and the metadata as tables for people to query.
-- A migration is never changed once it is released; the next one gets the next number, in both directories.

-- Whose database this is. One row.
CREATE TABLE raft_node (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    cluster_id     TEXT    NOT NULL,
    node_id        INTEGER NOT NULL,
    storage_id     TEXT    NOT NULL, -- drawn when the database was created
    schema_version INTEGER NOT NULL, -- number of the last migration
    owner_epoch    INTEGER NOT NULL, -- counts the processes that took hold of this database
    owner          TEXT    NOT NULL  -- the last one
) STRICT;

-- The vote, and how far the log was purged. One row.
CREATE TABLE raft_state (
    one            INTEGER PRIMARY KEY CHECK (one = 1),
    vote_term      INTEGER,
    vote_node      INTEGER,
    vote_committed INTEGER, -- 1: a quorum granted it
    purged_idx     INTEGER,
    purged_term    INTEGER
) STRICT;
INSERT INTO raft_state (one) VALUES (1);

CREATE TABLE raft_log (
    idx     INTEGER PRIMARY KEY,
    term    INTEGER NOT NULL,
    kind    TEXT    NOT NULL, -- blank, command, membership
    fmt     INTEGER NOT NULL, -- version of the payload's format
    payload TEXT              -- JSON
) STRICT;

CREATE TABLE raft_snapshot (
    id         INTEGER PRIMARY KEY,
    last_idx   INTEGER,
    last_term  INTEGER,
    membership TEXT    NOT NULL, -- JSON
    fmt        INTEGER NOT NULL,
    codec      TEXT    NOT NULL,
    bytes      INTEGER NOT NULL,
    sha256     TEXT    NOT NULL,
    complete   INTEGER NOT NULL  -- 0 while its chunks are being written
) STRICT;

CREATE TABLE raft_snapshot_chunk (
    id   INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    data BLOB    NOT NULL,
    UNIQUE (id, seq)
) STRICT;

-- Up to which log entry the tables below hold all changes: written in the same transaction as they are. One row.
CREATE TABLE metadata_applied (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    idx  INTEGER,
    term INTEGER
) STRICT;
INSERT INTO metadata_applied (one) VALUES (1);

CREATE TABLE topics (
    topic_name         TEXT    PRIMARY KEY,
    topic_id           TEXT    NOT NULL,
    replication_factor INTEGER NOT NULL,
    configs            TEXT    NOT NULL -- JSON object
) STRICT, WITHOUT ROWID;

CREATE TABLE partitions (
    topic_name      TEXT    NOT NULL,
    partition       INTEGER NOT NULL,
    leader          INTEGER, -- NULL: offline
    leader_epoch    INTEGER NOT NULL,
    partition_epoch INTEGER NOT NULL,
    replicas        TEXT    NOT NULL, -- JSON array of broker ids, preferred leader first
    isr             TEXT    NOT NULL, -- JSON array of broker ids
    PRIMARY KEY (topic_name, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE brokers (
    broker_id      INTEGER PRIMARY KEY,
    broker_epoch   INTEGER NOT NULL,
    incarnation_id TEXT    NOT NULL,
    host           TEXT    NOT NULL,
    port           INTEGER NOT NULL,
    kafka_port     INTEGER,
    rack           TEXT,
    status         TEXT    NOT NULL -- ONLINE, OFFLINE, DRAINING
) STRICT;

CREATE TABLE metadata_events (
    version    INTEGER NOT NULL, -- log index of the command
    seq        INTEGER NOT NULL, -- place among its events
    time_ms    INTEGER NOT NULL, -- Unix ms, the controller's clock
    author     TEXT    NOT NULL,
    request_id TEXT,
    kind       TEXT    NOT NULL,
    subject    TEXT    NOT NULL, -- topic:NAME, broker:ID, cluster
    before     TEXT,             -- JSON: what was changed, as it was
    after      TEXT,             -- JSON: the event
    PRIMARY KEY (version, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX metadata_events_by_subject ON metadata_events (subject, version);

-- Views: what is documented for people and scripts. The tables above may change with a version, these do not.

CREATE VIEW replicas AS
SELECT p.topic_name, p.partition, r.value AS broker_id, r.key AS position,
       r.value IS p.leader AS is_leader,
       EXISTS (SELECT 1 FROM json_each(p.isr) AS i WHERE i.value = r.value) AS in_sync
FROM partitions AS p, json_each(p.replicas) AS r;

CREATE VIEW topic_overview AS
SELECT t.topic_name, t.topic_id, t.replication_factor, t.configs,
       count(p.partition) AS partitions,
       count(p.partition) - count(p.leader) AS offline_partitions,
       coalesce(sum(json_array_length(p.isr) < json_array_length(p.replicas)), 0) AS under_replicated_partitions
FROM topics AS t LEFT JOIN partitions AS p ON p.topic_name = t.topic_name
GROUP BY t.topic_name, t.topic_id, t.replication_factor, t.configs;

CREATE VIEW broker_overview AS
SELECT b.broker_id, b.status, b.host, b.port, b.kafka_port, b.rack, b.broker_epoch,
       (SELECT count(*) FROM partitions AS p WHERE p.leader = b.broker_id) AS leader_partitions,
       (SELECT count(*) FROM replicas AS r WHERE r.broker_id = b.broker_id) AS replica_partitions
FROM brokers AS b;

CREATE VIEW metadata_history AS
SELECT version, seq, strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS time,
       author, request_id, kind, subject, before, after
FROM metadata_events;

CREATE VIEW raft_log_commands AS
SELECT idx, term, payload ->> '$.command.type' AS command, payload ->> '$.author' AS author,
       strftime('%Y-%m-%dT%H:%M:%fZ', (payload ->> '$.timeMs') / 1000.0, 'unixepoch') AS time, payload
FROM raft_log WHERE kind = 'command';
