"""PyPI's kafka-python. usage: kafka_python.py BOOTSTRAP TOPIC"""

import os
import subprocess
import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic

bootstrap, topic = sys.argv[1].split(","), sys.argv[2]
CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
VALUES = [b"a" * 10, b"", None, b"\x00\xff" * 1000]
HEADERS = [("h", b"1"), ("h", b"2")]
TIME = 1_700_000_000_000
partition = TopicPartition(topic, 1)

admin = KafkaAdminClient(bootstrap_servers=bootstrap)
admin.create_topics([NewTopic(topic, 3, 3, topic_configs={"retention.ms": "-1"})])

sent = []
for number, codec in enumerate(CODECS):
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, compression_type=codec, acks="all", linger_ms=20, enable_idempotence=number % 2 == 0
    )
    pending = []
    for k in range(200):
        record = (b"key-%d" % k if k % 4 else None, VALUES[k % 4], TIME + number * 1000 + k)
        sent.append(record)
        pending.append(
            producer.send(topic, record[1], record[0], HEADERS, partition=1, timestamp_ms=record[2])
        )
    producer.flush(30)
    assert [one.get(30).offset for one in pending] == list(range(len(sent) - 200, len(sent)))
    producer.close()

consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
consumer.assign([partition])


def read(offset, count):
    consumer.seek(partition, offset)
    records = []
    while len(records) < count:
        got = consumer.poll(20_000, max_records=1000)
        assert got, f"{len(records)} of {count} records from {offset}"
        records += got[partition]
    return records


for start in (0, 1, 137, 555, len(sent) - 1):
    records = read(start, len(sent) - start)
    assert [r.offset for r in records] == list(range(start, len(sent))), f"offsets from {start}"
    assert [(r.key, r.value, r.timestamp) for r in records] == sent[start:], f"records from {start}"
    assert all(list(map(tuple, r.headers)) == HEADERS for r in records), "headers"

assert consumer.beginning_offsets([partition]) == {partition: 0}
assert consumer.end_offsets([partition]) == {partition: len(sent)}
assert consumer.offsets_for_times({partition: TIME + 2 * 1000 + 50})[partition].offset == 450
assert consumer.partitions_for_topic(topic) == {0, 1, 2}


def member():
    return KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=f"{topic}-group", auto_offset_reset="earliest",
                         enable_auto_commit=False, heartbeat_interval_ms=200)


def numbers(consumer):
    return sorted(one.partition for one in consumer.assignment())


def until(what, holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what


# Two members share the partitions; the one that stays takes over, commits, and its successor goes on from there.
first, second = member(), member()
records = []
while len(records) < len(sent):
    records += first.poll(20_000).get(partition, [])
assert numbers(first) == [0, 1, 2]
until(
    "two members that share",
    lambda: (first.poll(50), second.poll(50), numbers(second) and sorted(numbers(first) + numbers(second)) == [0, 1, 2])[2],
)
first.close()
until("one member that has all", lambda: (second.poll(50), numbers(second) == [0, 1, 2])[1])
second.commit({partition: OffsetAndMetadata(600, "half", -1)})
second.close()
third = member()
records = []
while not records:
    records = third.poll(20_000).get(partition, [])
assert records[0].offset == 600, records[0].offset
assert third.committed(partition, metadata=True).metadata == "half"
third.close()

configs = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
assert configs, "no configs"
admin.create_partitions({topic: NewPartitions(5)})
admin.delete_records({partition: 300})
assert consumer.beginning_offsets([partition]) == {partition: 300}
assert topic in admin.list_topics()
admin.delete_topics([topic])


def leader_killed(topic):
    """The leader dies while records are on their way: all are there once, in order, and no more of them."""
    admin.create_topics([NewTopic(topic, 1, 3, topic_configs={"min.insync.replicas": "2"})])
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=1)
    sent, killer, enough = [], None, None
    while enough is None or len(sent) < enough or not sent[enough - 1].is_done:
        sent += [producer.send(topic, b"%d" % k, partition=0) for k in range(len(sent), len(sent) + 10)]
        time.sleep(0.005)  # the pace of the load
        if killer is None and len(sent) > 500 and sent[500].is_done:
            killer = subprocess.Popen([os.environ["KILL_LEADER"], topic, "0"])
        elif enough is None and killer and killer.poll() is not None:
            assert killer.returncode == 0, "the leader could not be killed"
            enough = len(sent) + 500
    assert [one.get(30).offset for one in sent] == list(range(len(sent))), "acknowledgements"
    producer.close()
    only = TopicPartition(topic, 0)
    consumer.assign([only])
    consumer.seek(only, 0)
    values = []
    while len(values) < len(sent):
        got = consumer.poll(20_000).get(only)
        assert got, f"{len(values)} of {len(sent)} records"
        values += [int(one.value) for one in got]
    assert values == list(range(len(sent))), "records"
    assert consumer.end_offsets([only]) == {only: len(sent)}
    admin.delete_topics([topic])


if "KILL_LEADER" in os.environ:
    leader_killed(f"{topic}-killed")
print("ok")
