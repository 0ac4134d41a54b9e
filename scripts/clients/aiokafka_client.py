"""PyPI's aiokafka. usage: aiokafka_client.py BOOTSTRAP TOPIC"""

import asyncio
import os
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

bootstrap, topic = sys.argv[1:]
CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
VALUES = [b"a" * 10, b"", None, b"\x00\xff" * 1000]
HEADERS = [("h", b"1"), ("h", b"2")]
TIME = 1_700_000_000_000
partition = TopicPartition(topic, 1)


async def member():
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"{topic}-group", auto_offset_reset="earliest",
        enable_auto_commit=False, heartbeat_interval_ms=200,
    )
    await consumer.start()
    return consumer


def numbers(consumer):
    return sorted(one.partition for one in consumer.assignment())


async def until(what, holds):
    for _ in range(300):
        if holds():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(what)


async def subscribed(count):
    """Two members share the partitions; the one that stays takes over, commits, and its successor goes on from there."""
    first = await member()
    records = []
    while len(records) < count:
        records += (await first.getmany(timeout_ms=20_000)).get(partition, [])
    assert numbers(first) == [0, 1, 2]
    second = await member()
    await until(
        "two members that share", lambda: numbers(second) and sorted(numbers(first) + numbers(second)) == [0, 1, 2]
    )
    await first.stop()
    await until("one member that has all", lambda: numbers(second) == [0, 1, 2])
    await second.commit({partition: (600, "half")})
    await second.stop()
    third = await member()
    record = await asyncio.wait_for(third.getone(partition), 30)
    assert record.offset == 600, record
    assert await third.committed(partition) == 600
    await third.stop()


async def leader_killed(admin, topic):
    """The leader dies while records are on their way: all are there once, in order, and no more of them."""
    await admin.create_topics([NewTopic(topic, 1, 3, topic_configs={"min.insync.replicas": "2"})])
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, linger_ms=1)
    await producer.start()
    sent, killer, enough = [], None, None
    while enough is None or len(sent) < enough or not sent[enough - 1].done():
        for _ in range(10):
            sent.append(await producer.send(topic, b"%d" % len(sent), partition=0))
        await asyncio.sleep(0.005)  # the pace of the load
        if killer is None and len(sent) > 500 and sent[500].done():
            process = await asyncio.create_subprocess_exec(os.environ["KILL_LEADER"], topic, "0")
            killer = asyncio.create_task(process.wait())
        elif enough is None and killer and killer.done():
            assert killer.result() == 0, "the leader could not be killed"
            enough = len(sent) + 500
    stored = await asyncio.wait_for(asyncio.gather(*sent), 30)
    assert [one.offset for one in stored] == list(range(len(sent))), "acknowledgements"
    await producer.stop()
    only = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, group_id=None)
    await consumer.start()
    consumer.assign([only])
    consumer.seek(only, 0)
    values = []
    while len(values) < len(sent):
        got = await consumer.getmany(only, timeout_ms=20_000)
        assert got, f"{len(values)} of {len(sent)} records"
        values += [int(one.value) for one in got[only]]
    assert values == list(range(len(sent))), "records"
    assert await consumer.end_offsets([only]) == {only: len(sent)}
    await consumer.stop()
    await admin.delete_topics([topic])


async def main():
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 3, 3, topic_configs={"retention.ms": "-1"})])

    sent = []
    for number, codec in enumerate(CODECS):
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, compression_type=codec, acks="all", linger_ms=20, enable_idempotence=number % 2 == 0
        )
        await producer.start()
        pending = []
        for k in range(200):
            record = (b"key-%d" % k if k % 4 else None, VALUES[k % 4], TIME + number * 1000 + k)
            sent.append(record)
            pending.append(
                await producer.send(topic, record[1], record[0], partition=1, timestamp_ms=record[2], headers=HEADERS)
            )
        stored = await asyncio.wait_for(asyncio.gather(*pending), 30)
        assert [one.offset for one in stored] == list(range(len(sent) - 200, len(sent)))
        await producer.stop()

    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, group_id=None)
    await consumer.start()
    consumer.assign([partition])
    for start in (0, 1, 137, 555, len(sent) - 1):
        consumer.seek(partition, start)
        records = []
        while len(records) < len(sent) - start:
            got = await consumer.getmany(partition, timeout_ms=20_000)
            assert got, f"{len(records)} records from {start}"
            records += got[partition]
        assert [r.offset for r in records] == list(range(start, len(sent))), f"offsets from {start}"
        assert [(r.key, r.value, r.timestamp) for r in records] == sent[start:], f"records from {start}"
        assert all(list(r.headers) == HEADERS for r in records), "headers"

    assert await consumer.beginning_offsets([partition]) == {partition: 0}
    assert await consumer.end_offsets([partition]) == {partition: len(sent)}
    found = await consumer.offsets_for_times({partition: TIME + 2 * 1000 + 50})
    assert found[partition].offset == 450, found
    await consumer.stop()
    await subscribed(len(sent))
    await admin.delete_topics([topic])
    if "KILL_LEADER" in os.environ:
        await leader_killed(admin, f"{topic}-killed")
    await admin.close()


asyncio.run(main())
print("ok")
