"""What confluent-kafka's package carries of tests that need a broker: the drivers for Kafka's system tests (kafkatest), a
producer and a consumer that report every event. Their integration tests are in no package registry. pytest runs this; the
cluster is in BOOTSTRAP.

The drivers' own command lines are of Python 2 (`dict.iteritems`), so `python confluent_kafka_test.py member GROUP ASSIGNOR
TOPIC` takes the consumer's place: it runs the class as its main function would. The class keeps book of eager assignments
only, so groups are classic ones.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

BOOTSTRAP = os.environ["BOOTSTRAP"]
DRIVERS = Path(importlib.util.find_spec("confluent_kafka").origin).parent / "kafkatest"
PARTITIONS = 6
PATIENCE_S = 60


def driver(name):
    sys.path.insert(0, str(DRIVERS))
    return importlib.import_module(name)


def member(group, assignor, topic):
    """A verifiable consumer until SIGTERM; its events are lines of JSON on the standard output."""
    conf = {
        "bootstrap.servers": BOOTSTRAP,
        "group.id": group,
        "partition.assignment.strategy": assignor,
        "session.timeout.ms": 6000,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
    }
    consumer = driver("verifiable_consumer").VerifiableConsumer(conf)
    consumer.verbose = False  # as its main function sets it
    consumer.consumer.subscribe([topic], on_assign=consumer.on_assign, on_revoke=consumer.on_revoke)
    while consumer.run:
        message = consumer.consumer.poll(timeout=0.2)
        if message is None:
            consumer.send_records_consumed(immediate=True)
            consumer.do_commit(immediate=True)
        else:
            consumer.msg_consume(message)
    consumer.send_records_consumed(immediate=True)
    consumer.do_commit(immediate=True, asynchronous=False)
    consumer.consumer.close()
    consumer.send({"name": "shutdown_complete"})


class Member:
    """A member in a process of its own."""

    def __init__(self, directory, group, assignor, topic):
        self.events_path = directory / f"member-{time.monotonic_ns()}.json"
        command = [sys.executable, __file__, "member", group, assignor, topic]
        with open(self.events_path, "w") as out, open(self.events_path.with_suffix(".log"), "w") as log:
            self.process = subprocess.Popen(command, stdout=out, stderr=log)

    def events(self, name):
        lines = self.events_path.read_text().splitlines(keepends=True)
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if event["name"] == name]

    def consumed(self):
        return sum(event["count"] for event in self.events("records_consumed"))

    def owned(self):
        """Partitions it was given and not asked to give back."""
        given, taken = self.events("partitions_assigned"), self.events("partitions_revoked")
        owned = Counter(part["partition"] for event in given for part in event["partitions"])
        owned.subtract(part["partition"] for event in taken for part in event["partitions"])
        return {partition for partition, times in owned.items() if times > 0}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0
        assert self.events("shutdown_complete")

    def kill(self):
        self.process.kill()
        self.process.wait()


def until(what, condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.1)


def client(**conf):
    from confluent_kafka import Consumer

    return Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "nobody", **conf})


def offsets(topic, group=None):
    """Ends of the partitions, or what the group has committed."""
    from confluent_kafka import TopicPartition

    if group is None:
        one = client()
        return [one.get_watermark_offsets(TopicPartition(topic, number), timeout=30)[1] for number in range(PARTITIONS)]
    one = client(**{"group.id": group})
    wanted = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    return [part.offset for part in sorted(one.committed(wanted, timeout=30), key=lambda part: part.partition)]


@pytest.fixture
def topic():
    from confluent_kafka.admin import AdminClient, NewTopic

    name = f"kafkatest-{time.time_ns()}"
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(name, PARTITIONS, 3)])[name].result(30)
    return name


def produce(topic, records, **conf):
    """Has the verifiable producer send records; comes back with what it reported, by partition."""
    producer = driver("verifiable_producer").VerifiableProducer({"bootstrap.servers": BOOTSTRAP, **conf})
    sent = defaultdict(list)
    producer.send = lambda event: sent[event.get("partition", event["name"])].append(event.get("offset"))
    for number in range(records):
        producer.producer.produce(topic, value=str(number), partition=number % PARTITIONS)
        producer.producer.poll(0)
    assert producer.producer.flush(PATIENCE_S) == 0
    assert producer.num_err == 0
    return {partition: sorted(offsets) for partition, offsets in sent.items()}


@pytest.mark.parametrize("acks, idempotent", [(1, False), (-1, False), (-1, True)])
def test_every_record_is_acknowledged_at_an_offset_of_its_own(topic, acks, idempotent):
    sent = produce(topic, 5000, **{"acks": acks, "enable.idempotence": idempotent})
    assert sum(map(len, sent.values())) == 5000
    assert all(given == list(range(len(given))) for given in sent.values()), sent
    # What one replica has acknowledged, readers see when the others have it too.
    until("all are committed", lambda: sum(offsets(topic)) == 5000)


@pytest.mark.parametrize("assignor", ["range", "roundrobin"])
def test_a_group_reads_every_record_once_and_commits_all(topic, assignor, tmp_path):
    produce(topic, 5000)
    members = [Member(tmp_path, topic, assignor, topic) for _ in range(3)]
    until("all read", lambda: sum(member.consumed() for member in members) >= 5000)
    until("all share", lambda: all(member.owned() for member in members))
    for member in members:
        member.stop()
    assert sum(member.consumed() for member in members) == 5000
    assert offsets(topic, group=topic) == offsets(topic)


@pytest.mark.parametrize("assignor", ["range", "roundrobin"])
def test_the_share_of_a_killed_member_is_read_by_the_others(topic, assignor, tmp_path):
    members = [Member(tmp_path, topic, assignor, topic) for _ in range(3)]
    until("all share", lambda: [len(member.owned()) for member in members] == [PARTITIONS // 3] * 3)
    members.pop().kill()
    produce(topic, 5000)
    until("all read", lambda: sum(member.consumed() for member in members) >= 5000)
    for member in members:
        member.stop()
    assert offsets(topic, group=topic) == offsets(topic)


if __name__ == "__main__" and sys.argv[1] == "member":
    member(*sys.argv[2:])
