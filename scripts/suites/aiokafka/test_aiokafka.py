"""Tests of ours that drive aiokafka: what its users do with producers, consumers, groups and the admin client. BOOTSTRAP names
the brokers."""

import asyncio
import inspect
import os
import re
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError, OffsetOutOfRangeError, TopicAlreadyExistsError
from aiokafka.structs import OffsetAndMetadata

BOOTSTRAP = os.environ["BOOTSTRAP"]
TIME = 1_700_000_000_000


def in_a_loop(case):
    """A test in an event loop of its own that ends what it opened."""

    async def run():
        opened = Opened()
        try:
            await asyncio.wait_for(case(opened), 60)
        finally:
            await opened.close()

    def wrapped():
        asyncio.run(run())

    wrapped.__name__, wrapped.__doc__ = case.__name__, case.__doc__
    return wrapped


class Opened:
    """Makes clients and topics."""

    def __init__(self):
        self.clients = []

    async def start(self, client):
        self.clients.append(client)
        await client.start()
        return client

    async def close(self):
        for client in reversed(self.clients):
            await (client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())

    async def admin(self):
        return await self.start(AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP))

    async def producer(self, **settings):
        return await self.start(AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, **settings))

    async def consumer(self, *topics, **settings):
        settings = {"auto_offset_reset": "earliest", "heartbeat_interval_ms": 200, **settings}
        return await self.start(AIOKafkaConsumer(*topics, bootstrap_servers=BOOTSTRAP, **settings))

    async def topic(self, partitions=1, **settings):
        name = f"aiokafka-{uuid.uuid4()}"
        configs = {key.replace("_", "."): value for key, value in settings.items()}
        await (await self.admin()).create_topics([NewTopic(name, partitions, 3, topic_configs=configs)])
        return name

    async def filled(self, count=10, partitions=1):
        """A topic with numbered records in its first partition."""
        topic = await self.topic(partitions)
        producer = await self.producer(acks="all")
        sent = [await producer.send(topic, str(n).encode(), partition=0, timestamp_ms=TIME + n) for n in range(count)]
        await asyncio.gather(*sent)
        return topic


async def read(consumer, count):
    records = []
    while len(records) < count:
        for some in (await consumer.getmany(timeout_ms=1000)).values():
            records += some
    return records


async def eventually(what, holds):
    """Waits until it holds. What one broker has done, another hears of a moment later, and an administrator asks any."""
    for _ in range(600):
        held = holds()
        if await held if inspect.isawaitable(held) else held:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"never: {what}")


def share(consumer):
    return sorted(one.partition for one in consumer.assignment())


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("acks", [0, 1, "all"])
def test_records_come_back(codec, acks):
    async def case(opened):
        topic = await opened.topic()
        producer = await opened.producer(compression_type=codec, acks=acks)
        values = [b"a" * 3000, b"", None]
        for value in values:
            await producer.send_and_wait(topic, value, key=b"k", headers=[("h", b"1"), ("h", b"2")], timestamp_ms=TIME)
        records = await read(await opened.consumer(topic), len(values))
        assert [record.value for record in records] == values
        assert {(record.key, tuple(record.headers), record.timestamp) for record in records} == {(b"k", (("h", b"1"), ("h", b"2")), TIME)}

    in_a_loop(case)()


@in_a_loop
async def test_idempotent_producer_keeps_order(opened):
    topic = await opened.topic()
    producer = await opened.producer(enable_idempotence=True, linger_ms=1)
    sent = await asyncio.gather(*[await producer.send(topic, str(n).encode(), partition=0) for n in range(500)])
    assert [metadata.offset for metadata in sent] == list(range(500))
    assert [int(record.value) for record in await read(await opened.consumer(topic), 500)] == list(range(500))


@in_a_loop
async def test_batch_made_by_hand(opened):
    topic = await opened.topic()
    producer = await opened.producer()
    batch = producer.create_batch()
    for n in range(20):
        assert batch.append(key=None, value=str(n).encode(), timestamp=TIME) is not None
    metadata = await (await producer.send_batch(batch, topic, partition=0))
    assert metadata.offset == 0
    assert len(await read(await opened.consumer(topic), 20)) == 20


@in_a_loop
async def test_log_append_time(opened):
    topic = await opened.topic(message_timestamp_type="LogAppendTime")
    metadata = await (await opened.producer()).send_and_wait(topic, b"v", timestamp_ms=TIME)
    [record] = await read(await opened.consumer(topic), 1)
    assert record.timestamp == metadata.timestamp > TIME
    assert (record.timestamp_type, metadata.timestamp_type) == (1, 1)


@in_a_loop
async def test_too_large_is_refused(opened):
    topic = await opened.topic(max_message_bytes="1000")
    with pytest.raises(MessageSizeTooLargeError):
        await (await opened.producer()).send_and_wait(topic, b"x" * 2000)


@in_a_loop
async def test_offsets_and_seek(opened):
    topic = await opened.filled()
    partition = TopicPartition(topic, 0)
    consumer = await opened.consumer()
    consumer.assign([partition])
    assert await consumer.beginning_offsets([partition]) == {partition: 0}
    assert await consumer.end_offsets([partition]) == {partition: 10}
    found = await consumer.offsets_for_times({partition: TIME + 4})
    assert (found[partition].offset, found[partition].timestamp) == (4, TIME + 4)
    assert await consumer.offsets_for_times({partition: TIME + 99}) == {partition: None}
    consumer.seek(partition, 7)
    assert [int(record.value) for record in await read(consumer, 3)] == [7, 8, 9]
    await consumer.seek_to_beginning()
    assert (await consumer.getone()).offset == 0
    await consumer.seek_to_end()
    assert await consumer.position(partition) == 10
    assert consumer.highwater(partition) == 10


@in_a_loop
async def test_pause_and_resume(opened):
    topic = await opened.filled()
    partition = TopicPartition(topic, 0)
    consumer = await opened.consumer(topic)
    assert len(await read(consumer, 10)) == 10
    consumer.pause(partition)
    assert consumer.paused() == {partition}
    await (await opened.producer(acks="all")).send_and_wait(topic, b"10", partition=0)
    assert await consumer.getmany(timeout_ms=300) == {}
    consumer.resume(partition)
    assert (await consumer.getone()).value == b"10"


@in_a_loop
async def test_out_of_range_without_reset(opened):
    topic = await opened.filled()
    partition = TopicPartition(topic, 0)
    consumer = await opened.consumer(auto_offset_reset="none")
    consumer.assign([partition])
    consumer.seek(partition, 99)
    with pytest.raises(OffsetOutOfRangeError) as refused:
        await consumer.getone()
    assert refused.value.args[0] == {partition: 99}


@in_a_loop
async def test_commit_and_go_on(opened):
    topic, group = await opened.filled(), f"g-{uuid.uuid4()}"
    partition = TopicPartition(topic, 0)
    first = await opened.consumer(topic, group_id=group, enable_auto_commit=False)
    await read(first, 10)
    assert await first.committed(partition) is None
    await first.commit({partition: OffsetAndMetadata(6, "half")})
    await first.stop()
    second = await opened.consumer(topic, group_id=group, enable_auto_commit=False)
    assert (await second.getone()).offset == 6
    offsets = await (await opened.admin()).list_consumer_group_offsets(group)
    assert offsets[partition] == OffsetAndMetadata(6, "half")


@in_a_loop
async def test_auto_commit_at_the_end(opened):
    topic, group = await opened.filled(), f"g-{uuid.uuid4()}"
    first = await opened.consumer(topic, group_id=group)
    await read(first, 10)
    await first.stop()
    second = await opened.consumer(topic, group_id=group)
    assert await second.committed(TopicPartition(topic, 0)) == 10


@in_a_loop
async def test_members_share_and_hear_of_it(opened):
    topic, group = await opened.topic(3), f"g-{uuid.uuid4()}"
    heard = []

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            heard.append(("revoked", len(revoked)))

        def on_partitions_assigned(self, assigned):
            heard.append(("assigned", len(assigned)))

    first = await opened.consumer(group_id=group)
    first.subscribe([topic], listener=Listener())
    await eventually("all partitions", lambda: share(first) == [0, 1, 2])
    second = await opened.consumer(topic, group_id=group)
    await eventually("two shares", lambda: share(second) and sorted(share(first) + share(second)) == [0, 1, 2])
    assert heard[:3] == [("revoked", 0), ("assigned", 3), ("revoked", 3)]
    await first.stop()
    await eventually("all partitions", lambda: share(second) == [0, 1, 2])
    [described] = (await (await opened.admin()).describe_consumer_groups([group]))[0].groups
    assert described[1:4] == (group, "Stable", "consumer")


@in_a_loop
async def test_static_member_comes_back(opened):
    topic, group = await opened.topic(2), f"g-{uuid.uuid4()}"
    settings = {"group_id": group, "session_timeout_ms": 30_000}
    first = await opened.consumer(topic, group_instance_id="a", **settings)
    second = await opened.consumer(topic, group_instance_id="b", **settings)
    await eventually("two shares", lambda: sorted(share(first) + share(second)) == [0, 1] and share(first))
    had = share(first)
    await first.stop()
    again = await opened.consumer(topic, group_instance_id="a", **settings)
    await eventually("the same share", lambda: share(again) == had)
    assert len(share(second)) == 1


@in_a_loop
async def test_pattern(opened):
    prefix, admin = f"found-{uuid.uuid4()}", await opened.admin()
    await admin.create_topics([NewTopic(f"{prefix}-a", 1, 1)])
    consumer = await opened.consumer(group_id=prefix, metadata_max_age_ms=200)
    consumer.subscribe(pattern=f"^{re.escape(prefix)}-.*")
    await eventually("the first", lambda: len(consumer.assignment()) == 1)
    await admin.create_topics([NewTopic(f"{prefix}-b", 1, 1)])
    await eventually("both", lambda: len(consumer.assignment()) == 2)


@in_a_loop
async def test_topics(opened):
    topic, admin = await opened.topic(), await opened.admin()
    again = await admin.create_topics([NewTopic(topic, 1, 1)])
    assert again.topic_errors[0][1] == TopicAlreadyExistsError.errno

    async def is_listed():
        return topic in await admin.list_topics()

    await eventually("the topic", is_listed)
    await admin.create_partitions({topic: NewPartitions(4)})

    async def has_four():
        [described] = await admin.describe_topics([topic])
        return len(described["partitions"]) == 4

    await eventually("four partitions", has_four)
    await admin.delete_topics([topic])


@in_a_loop
async def test_settings(opened):
    topic, admin = await opened.topic(), await opened.admin()
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "12345"})
    await admin.alter_configs([resource])

    async def is_changed():
        [answer] = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return any(entry[:2] == ("retention.ms", "12345") for entry in answer.resources[0][4])

    await eventually("the new value", is_changed)


@in_a_loop
async def test_records_are_deleted(opened):
    topic = await opened.filled()
    partition = TopicPartition(topic, 0)
    await (await opened.admin()).delete_records({partition: RecordsToDelete(before_offset=6)})
    consumer = await opened.consumer(topic)
    assert [record.offset for record in await read(consumer, 4)] == [6, 7, 8, 9]
