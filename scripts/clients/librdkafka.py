"""librdkafka, through PyPI's confluent-kafka. usage: librdkafka.py BOOTSTRAP TOPIC"""

import os
import subprocess
import sys
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

bootstrap, topic = sys.argv[1:]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
VALUES = [b"a" * 10, b"", None, b"\x00\xff" * 1000]
HEADERS = [("h", b"1"), ("h", b"2"), ("null", None)]
TIME = 1_700_000_000_000

admin = AdminClient({"bootstrap.servers": bootstrap})


def only(futures):
    (future,) = futures.values()
    return future.result(30)


def eventually(what, holds):
    """A change is known to one broker before the others."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


only(admin.create_topics([NewTopic(topic, 3, 3, config={"retention.ms": "-1"})]))

# One codec after the other, so that the order is known: codec n has the timestamps TIME + n * 1000 + k.
sent = []
for number, codec in enumerate(CODECS):
    producer = Producer(
        {"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 20, "enable.idempotence": number % 2 == 0}
    )
    failures = []
    for k in range(200):
        record = (b"key-%d" % k if k % 4 else None, VALUES[k % 4], TIME + number * 1000 + k)
        sent.append(record)
        producer.produce(
            topic,
            partition=1,
            key=record[0],
            value=record[1],
            timestamp=record[2],
            headers=HEADERS,
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
    assert producer.flush(30) == 0 and not failures, failures

consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic, "enable.auto.commit": False})


def read(offset, count):
    consumer.assign([TopicPartition(topic, 1, offset)])
    messages = []
    while len(messages) < count:
        got = consumer.consume(count - len(messages), timeout=20)
        assert got, f"{len(messages)} of {count} records from {offset}"
        for message in got:
            assert not message.error(), message.error()
        messages += got
    return messages


for start in (0, 1, 137, 555, len(sent) - 1):
    messages = read(start, len(sent) - start)
    assert [m.offset() for m in messages] == list(range(start, len(sent))), f"offsets from {start}"
    assert [(m.key(), m.value(), m.timestamp()[1]) for m in messages] == sent[start:], f"records from {start}"
    assert all(m.headers() == HEADERS for m in messages), "headers"

assert consumer.get_watermark_offsets(TopicPartition(topic, 1), timeout=10) == (0, len(sent))
found = consumer.offsets_for_times([TopicPartition(topic, 1, TIME + 2 * 1000 + 50)], timeout=10)
assert found[0].offset == 450, found
latest = only(admin.list_offsets({TopicPartition(topic, 1): OffsetSpec.latest()}))
assert latest.offset == len(sent), latest
by_max_time = only(admin.list_offsets({TopicPartition(topic, 1): OffsetSpec.max_timestamp()}))
assert by_max_time.offset == len(sent) - 1, by_max_time


PROTOCOLS = {
    "classic": {"heartbeat.interval.ms": 200, "partition.assignment.strategy": "cooperative-sticky"},
    "consumer": {"group.remote.assignor": "uniform"},
}


def member(group, protocol):
    own = {"group.id": group, "group.protocol": protocol} | PROTOCOLS[protocol]
    return Consumer({"bootstrap.servers": bootstrap, "auto.offset.reset": "earliest", "enable.auto.commit": False} | own)


def partitions(consumer):
    return sorted(one.partition for one in consumer.assignment())


def subscribed(first_by, second_by):
    """Two members share the partitions; the one that stays takes over, commits, and its successor goes on from there."""
    group = f"{topic}-{first_by}-{second_by}"
    first, second = member(group, first_by), member(group, second_by)
    first.subscribe([topic])
    messages = []
    while len(messages) < len(sent):
        messages += first.consume(len(sent) - len(messages), timeout=20)
    assert partitions(first) == [0, 1, 2]
    second.subscribe([topic])

    def shared():
        first.poll(0.05), second.poll(0.05)
        return partitions(second) and sorted(partitions(first) + partitions(second)) == [0, 1, 2]

    eventually("two members that share", shared)
    first.close()

    def alone():
        second.poll(0.05)
        return partitions(second) == [0, 1, 2]

    eventually("one member that has all", alone)
    second.commit(offsets=[TopicPartition(topic, 1, 600, metadata="half")], asynchronous=False)
    second.close()
    third = member(group, first_by)
    third.subscribe([topic])
    message = None
    while message is None:
        message = third.poll(20)
    assert message.offset() == 600, message.offset()
    third.close()
    groups = only(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
    assert [(one.offset, one.metadata) for one in groups.topic_partitions if one.partition == 1] == [(600, "half")]
    assert only(admin.describe_consumer_groups([group])).members == []
    only(admin.delete_consumer_groups([group]))


# Each protocol by itself, and a group that goes from one to the other while it works.
for by_protocols in [("classic", "classic"), ("consumer", "consumer"), ("classic", "consumer"), ("consumer", "classic")]:
    subscribed(*by_protocols)
described = admin.list_topics(timeout=10).topics[topic]  # of all topics: librdkafka's request has bytes left over
assert sorted(described.partitions) == [0, 1, 2]
assert all(len(partition.replicas) == 3 for partition in described.partitions.values())

resource = ConfigResource(ResourceType.TOPIC, topic)
change = ConfigEntry("max.message.bytes", "2000000", incremental_operation=AlterConfigOpType.SET)
only(admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])]))
described = lambda: only(admin.describe_configs([resource]))
assert len(described()) > 20, described()
eventually("the changed setting", lambda: described()["max.message.bytes"].value == "2000000")

only(admin.create_partitions([NewPartitions(topic, 5)]))
only(admin.delete_records([TopicPartition(topic, 1, 300)]))
assert consumer.get_watermark_offsets(TopicPartition(topic, 1), timeout=10) == (300, len(sent))
assert read(300, 5)[0].offset() == 300

unknown = []
strict = Producer({"bootstrap.servers": bootstrap, "message.timeout.ms": 5000, "allow.auto.create.topics": False})
strict.produce(topic, b"x", partition=77, on_delivery=lambda error, _: unknown.append(error.code()))
strict.flush(20)
assert unknown == [KafkaError._UNKNOWN_PARTITION], unknown

only(admin.delete_topics([topic]))


def leader_killed(topic):
    """The leader dies while records are on their way: all are there once, in order, and no more of them."""
    only(admin.create_topics([NewTopic(topic, 1, 3, config={"min.insync.replicas": "2"})]))
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1})
    sent, acknowledged, killer, enough = 0, [], None, None

    def delivered(error, message):
        assert not error, error
        assert message.offset() == int(message.value()), (message.offset(), message.value())
        acknowledged.append(message.offset())

    while enough is None or len(acknowledged) < enough:
        for _ in range(10):
            producer.produce(topic, b"%d" % sent, partition=0, on_delivery=delivered)
            sent += 1
        producer.poll(0.005)
        if killer is None and len(acknowledged) >= 500:
            killer = subprocess.Popen([os.environ["KILL_LEADER"], topic, "0"])
        elif enough is None and killer and killer.poll() is not None:
            assert killer.returncode == 0, "the leader could not be killed"
            enough = sent + 500
    assert producer.flush(30) == 0
    assert acknowledged == list(range(sent)), "acknowledgements"
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = []
    while len(values) < sent:
        got = consumer.consume(sent, timeout=20)
        assert got, f"{len(values)} of {sent} records"
        values += [int(message.value()) for message in got]
    assert values == list(range(sent)), "records"
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10) == (0, sent)
    only(admin.delete_topics([topic]))


if "KILL_LEADER" in os.environ:
    leader_killed(f"{topic}-killed")
print("ok")
