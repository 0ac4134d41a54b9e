"""Batches as librdkafka makes them, one file per codec: `python3 librdkafka.py` with confluent-kafka installed.

A producer of librdkafka makes batches only to send them, so a broker stands here that speaks just enough of the
protocol for one partition: it hands out producer id 7, epoch 1, and writes down the first batch that arrives. Every
batch has the records that `../../src/batch/tests/foreign.rs` expects."""

import socket
import struct
import threading

from confluent_kafka import Producer, libversion

TOPIC = "t"
PRODUCE, FETCH, METADATA, FIND_COORDINATOR, API_VERSIONS, INIT_PRODUCER_ID = 0, 1, 3, 10, 18, 22
# Versions before the flexible ones. librdkafka compresses with lz4 only for brokers that know FindCoordinator, and with
# zstd only for those that know Fetch 10; neither is asked for.
SERVED = [
    (PRODUCE, 3, 8), (FETCH, 0, 10), (METADATA, 0, 4), (FIND_COORDINATOR, 0, 0), (API_VERSIONS, 0, 2),
    (INIT_PRODUCER_ID, 0, 1),
]


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


class Broker:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.batches = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            threading.Thread(target=self.serve, args=self.listener.accept()[:1], daemon=True).start()

    def serve(self, connection):
        stream = connection.makefile("rwb")
        while size := stream.read(4):
            request = stream.read(struct.unpack(">i", size)[0])
            key, version, correlation = struct.unpack_from(">hhi", request)
            client = struct.unpack_from(">h", request, 8)[0]
            body = request[10 + max(client, 0):]
            answer = struct.pack(">i", correlation) + self.answer(key, version, body)
            stream.write(struct.pack(">i", len(answer)) + answer)
            stream.flush()

    def answer(self, key, version, body):
        if key == API_VERSIONS:
            error = 0 if version <= 2 else 35
            answer = struct.pack(">hi", error, len(SERVED)) + b"".join(struct.pack(">hhh", *api) for api in SERVED)
            return answer + (struct.pack(">i", 0) if 1 <= version <= 2 else b"")
        if key == METADATA:
            return self.metadata(version)
        if key == INIT_PRODUCER_ID:
            return struct.pack(">ihqh", 0, 0, 7, 1)
        assert key == PRODUCE, key
        return self.produce(version, body)

    def metadata(self, version):
        assert version == 4, version
        broker = struct.pack(">ii", 1, 0) + string("127.0.0.1") + struct.pack(">ih", self.port, -1)
        partition = struct.pack(">hii", 0, 0, 0) + struct.pack(">ii", 1, 0) * 2
        topic = struct.pack(">h", 0) + string(TOPIC) + b"\0" + struct.pack(">i", 1) + partition
        return struct.pack(">ii", 0, 1) + broker[4:] + string("c") + struct.pack(">ii", 0, 1) + topic

    def produce(self, version, body):
        transactional_id, acks, timeout_ms, topics = struct.unpack_from(">hhii", body)
        assert transactional_id == -1 and topics == 1
        at = 12 + 2 + len(TOPIC)
        partitions, index, size = struct.unpack_from(">iii", body, at)
        assert (partitions, index) == (1, 0)
        self.batches.append(body[at + 12:at + 12 + size])
        answer = struct.pack(">i", 1) + string(TOPIC) + struct.pack(">iih", 1, 0, 0) + struct.pack(">qq", 0, -1)
        answer += struct.pack(">q", 0) if version >= 5 else b""
        answer += struct.pack(">ih", 0, -1) if version >= 8 else b""
        return answer + struct.pack(">i", 0)


def make(codec):
    broker = Broker()
    producer = Producer({
        "bootstrap.servers": f"127.0.0.1:{broker.port}", "enable.idempotence": True, "compression.type": codec,
        "linger.ms": 500, "batch.num.messages": 4, "message.timeout.ms": 10_000,
    })
    start = 1_700_000_000_000
    records = [
        (start, b"key", b"value", [("h", b"1"), ("h", b"2"), ("n", None)]),
        (start + 5, None, b"x" * 1000, []),
        (start + 3, b"gone", None, []),
        (start + 4, b"", b"", []),
    ]
    for timestamp, key, value, headers in records:
        producer.produce(TOPIC, partition=0, key=key, value=value, headers=headers, timestamp=timestamp)
    assert producer.flush(15) == 0, "not everything was sent"
    assert len(broker.batches) == 1, f"{len(broker.batches)} batches instead of one"
    with open(f"librdkafka-{codec}.bin", "wb") as out:
        out.write(broker.batches[0])


if __name__ == "__main__":
    print("librdkafka", libversion()[0])
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        make(codec)
