"""Load through librdkafka (PyPI confluent-kafka), the same for every broker that speaks Kafka's protocol.

usage: load.py BOOTSTRAP create TOPIC PARTITIONS REPLICATION [SETTING=VALUE...]
       load.py BOOTSTRAP produce TOPIC RECORDS [--size 1024] [--acks all] [--rate PER_SECOND] [--pids PID,...]
       load.py BOOTSTRAP consume TOPIC RECORDS [--pids PID,...]
       load.py BOOTSTRAP tail TOPIC RECORDS [--size 1024] [--pids PID,...]
       load.py BOOTSTRAP end-to-end TOPIC RECORDS [--size 1024] [--rate 1000]
       load.py - ready BROKERS PARTITIONS STARTED COMMAND...

Prints one JSON object. Each producer has written to every partition before the clock starts: librdkafka takes half a second
to get its producer id and its connections, whatever the broker does. The consumer of `end-to-end` has read from every one. Latencies are in ms, from the call, or with --rate from the
moment when the record was due: of `produce` to the delivery report, of `end-to-end` to the record in the consumer's hands. With
--pids, the processor time and largest resident size of these processes.

`consume` reads what is there from the beginning, `tail` what another process is producing as fast as it can.

`ready` runs COMMAND, which starts a cluster, writes the time of its launch (ms since 1970) into the file STARTED, and
prints the bootstrap servers. The clock stops when a client sees BROKERS brokers, and PARTITIONS partitions that have all
their replicas in sync.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TICKS = os.sysconf("SC_CLK_TCK")


class Processes:
    """Processor time and memory of the brokers while something runs."""

    def __init__(self, pids):
        self.pids = pids
        self.before = self.cpu_s()

    def cpu_s(self):
        total = 0
        for pid in self.pids:
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def figures(self, size_bytes):
        """What they took for so many bytes of records."""
        if not self.pids:
            return {}
        cpu_s = self.cpu_s() - self.before
        peaks = []
        for pid in self.pids:
            with open(f"/proc/{pid}/status") as status:
                peaks += [int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM")]
        return {
            "brokersCpuSeconds": round(cpu_s, 2),
            "brokersCpuSecondsPerGb": round(cpu_s / size_bytes * 1e9, 2),
            "brokerPeakMiB": max(peaks),
        }


def percentiles(latencies):
    latencies.sort()
    at = lambda share: round(latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000, 3)
    return {"p50Ms": at(0.5), "p99Ms": at(0.99), "p999Ms": at(0.999), "maxMs": round(latencies[-1] * 1000, 3)}


def warm_producer(args, **more):
    """A producer that is connected to all leaders."""
    out = Producer(
        {
            "bootstrap.servers": args.bootstrap,
            "acks": args.acks,
            "enable.idempotence": args.acks == "all",
            "linger.ms": args.linger,
            "batch.size": 262144,
            "queue.buffering.max.messages": 1000000,
            **more,
        }
    )
    for partition in partitions_of(args):
        out.produce(args.topic, b"warm-up", partition=partition)
    if out.flush(60):
        sys.exit("the first records were not written within 60 s")
    return out


def assigned_consumer(args, partitions, offset):
    consumer = Consumer(
        {
            "bootstrap.servers": args.bootstrap,
            "group.id": "load",
            "enable.auto.commit": False,
            "queued.min.messages": 1000000,
            "fetch.wait.max.ms": 100,
            # A consumer whose queue is full (64 MiB) stops fetching for a second otherwise, whichever broker it reads from.
            "fetch.queue.backoff.ms": 1,
        }
    )
    consumer.assign([TopicPartition(args.topic, partition, offset) for partition in partitions])
    return consumer


def partitions_of(args):
    metadata = AdminClient({"bootstrap.servers": args.bootstrap}).list_topics(args.topic, timeout=10)
    return sorted(metadata.topics[args.topic].partitions)


def wait_until(due, out):
    """Serves a producer until then, up to 1 ms longer: shorter waits are none to librdkafka, and spinning takes a core
    from the brokers."""
    while (wait := due - time.perf_counter()) > 0:
        out.poll(max(wait, 0.001))
    return due


def create(args):
    config = dict(setting.split("=", 1) for setting in args.settings)
    topic = NewTopic(args.topic, args.partitions, args.replication, config=config)
    admin = AdminClient({"bootstrap.servers": args.bootstrap})
    admin.create_topics([topic])[args.topic].result(30)
    return {"created": args.topic}


def produce(args):
    """As fast as the brokers take it, or at a rate."""
    out = warm_producer(args)
    value = os.urandom(args.size)
    latencies, failures = [], []

    def report(started):
        def delivered(error, _message):
            if error is None:
                latencies.append(time.perf_counter() - started)
            else:
                failures.append(str(error))

        return delivered

    processes = Processes(args.pids)
    begun = time.perf_counter()
    for number in range(args.records):
        due = wait_until(begun + number / args.rate, out) if args.rate else time.perf_counter()
        while True:
            try:
                out.produce(args.topic, value, on_delivery=report(due))
                break
            except BufferError:
                out.poll(0.01)
        out.poll(0)
    out.flush(120)
    seconds = time.perf_counter() - begun
    if failures or len(latencies) != args.records:
        sys.exit(f"{len(failures)} of {args.records} records failed: {failures[:1]}")
    return {
        "recordsPerSecond": round(args.records / seconds),
        "mibPerSecond": round(args.records * args.size / seconds / 2**20, 1),
        **percentiles(latencies),
        **processes.figures(args.records * args.size),
    }


def consume(args):
    """All from the beginning."""
    source = assigned_consumer(args, partitions_of(args), 0)
    processes = Processes(args.pids)
    return {**drain(args, source), **processes.figures(args.records * args.size)}


def drain(args, source):
    """Consumes so many records; the clock starts with the first."""
    count = size = 0
    begun = None
    while count < args.records:
        messages = source.consume(10000, timeout=10)
        if not messages:
            sys.exit(f"nothing more after {count} of {args.records} records")
        begun = begun or time.perf_counter()
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
            size += len(message.value())
        count += len(messages)
    seconds = time.perf_counter() - begun
    return {
        "recordsPerSecond": round(count / seconds),
        "mibPerSecond": round(size / seconds / 2**20, 1),
    }


def consumer_at_the_end(args):
    """A consumer that gets what is written from now on, and nothing older."""
    partitions = partitions_of(args)
    source = assigned_consumer(args, [], 0)
    ends = [source.get_watermark_offsets(TopicPartition(args.topic, partition))[1] for partition in partitions]
    source.assign([TopicPartition(args.topic, *place) for place in zip(partitions, ends)])
    return source


def tail(args):
    """What a second process produces, as it comes."""
    source = consumer_at_the_end(args)
    processes = Processes(args.pids)
    load = [sys.executable, __file__, args.bootstrap, "produce", args.topic, str(args.records), "--size", str(args.size)]
    with subprocess.Popen(load, stdout=subprocess.DEVNULL) as producing:
        result = drain(args, source)
        if producing.wait() != 0:
            sys.exit("the producer failed")
    return {**result, **processes.figures(args.records * args.size)}


def end_to_end(args):
    """One producer and one consumer, at a rate."""
    out = warm_producer(args, **{"linger.ms": 0})
    source = consumer_at_the_end(args)
    # One record of each partition goes all the way first: a consumer takes a while to begin, whatever the broker does.
    partitions = partitions_of(args)
    for partition in partitions:
        out.produce(args.topic, b"warm-up", partition=partition)
    out.flush(60)
    for _ in partitions:
        if source.poll(10) is None:
            sys.exit("the first records did not come back within 10 s")
    latencies = []

    def read():
        while len(latencies) < args.records:
            message = source.poll(10)
            if message is None:
                return
            latencies.append(time.perf_counter() - float(message.key()))

    reader = threading.Thread(target=read)
    reader.start()
    value = os.urandom(args.size)
    begun = time.perf_counter()
    for number in range(args.records):
        due = wait_until(begun + number / args.rate, out)
        out.produce(args.topic, value, key=repr(due))
    out.flush(60)
    reader.join()
    if len(latencies) != args.records:
        sys.exit(f"{len(latencies)} of {args.records} records came back")
    return {"records": args.records, **percentiles(latencies)}


def ready(args):
    """A cluster is ready when a client finds all of it."""
    with subprocess.Popen(args.command, stdout=subprocess.PIPE, text=True) as starting:
        bootstrap = starting.stdout.readline().strip()
        if starting.wait() != 0:
            sys.exit(f"{args.command} failed")
    admin = AdminClient({"bootstrap.servers": bootstrap, "reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 20})
    deadline = time.time() + 120
    while True:
        try:
            metadata = admin.list_topics(timeout=1)
            partitions = [one for topic in metadata.topics.values() for one in topic.partitions.values()]
            in_sync = sum(1 for one in partitions if len(one.isrs) == len(one.replicas) and one.leader >= 0)
            if len(metadata.brokers) == args.brokers and in_sync == len(partitions) >= args.partitions:
                break
        except KafkaException:
            pass  # nobody listens yet
        if time.time() > deadline:
            sys.exit("the cluster is not ready after 120 s")
        time.sleep(0.01)
    done = time.time() * 1000
    with open(args.started) as started:
        return {"bootstrap": bootstrap, "readyMs": round(done - float(started.read()))}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("bootstrap")
    actions = parser.add_subparsers(required=True)

    def action(name, run, records=True):
        one = actions.add_parser(name)
        one.add_argument("topic")
        one.set_defaults(run=run)
        if records:
            one.add_argument("records", type=int)
            one.add_argument("--size", type=int, default=1024)
            one.add_argument("--acks", default="all")
            one.add_argument("--linger", type=float, default=5)
            one.add_argument("--rate", type=float, default=1000 if name == "end-to-end" else 0)
            one.add_argument("--pids", type=lambda text: [int(pid) for pid in text.split(",")], default=[])
        return one

    topic = action("create", create, records=False)
    topic.add_argument("partitions", type=int)
    topic.add_argument("replication", type=int)
    topic.add_argument("settings", nargs="*")
    action("produce", produce)
    action("consume", consume)
    action("tail", tail)
    action("end-to-end", end_to_end)
    starting = actions.add_parser("ready")
    starting.set_defaults(run=ready)
    starting.add_argument("brokers", type=int)
    starting.add_argument("partitions", type=int)
    starting.add_argument("started")
    starting.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    print(json.dumps(args.run(args)))


main()
