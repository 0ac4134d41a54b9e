"""Kafka's own programs that use a cluster and check what they got, once for each thing to check, with their results as JUnit's
XML.

usage: programs.py BOOTSTRAP JARS OUT
"""

import json
import pathlib
import re
import signal
import subprocess
import sys
import time
from xml.sax.saxutils import quoteattr

BOOTSTRAP, JARS, OUT = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
TOOLS = "org.apache.kafka.tools."
RECORDS = 20_000
PATIENCE_SECONDS = 120


def command(java_class, *arguments):
    config = pathlib.Path(__file__).with_name("log4j2.properties")
    return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{JARS}/*", f"-Dlog4j2.configurationFile={config}", java_class, *map(str, arguments)]


def run(java_class, *arguments, patience_seconds=PATIENCE_SECONDS):
    """What it printed. It has to end well."""
    ended = subprocess.run(command(java_class, *arguments), capture_output=True, text=True, timeout=patience_seconds, cwd=OUT)
    assert ended.returncode == 0, f"exit status {ended.returncode}: {ended.stderr[-300:] or ended.stdout[-300:]}"
    return ended.stdout


def config(name, **settings):
    path = OUT / f"{name}.properties"
    path.write_text("".join(f"{key.replace('_', '.')}={value}\n" for key, value in {"bootstrap_servers": BOOTSTRAP, **settings}.items()))
    return path


def create(topic, partitions=3):
    run(TOOLS + "TopicCommand", "--bootstrap-server", BOOTSTRAP, "--create", "--topic", topic, "--partitions", partitions, "--replication-factor", 3)


def events(output, name):
    parsed = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [event for event in parsed if event.get("name") == name]


def produced(topic, count=RECORDS):
    output = run(TOOLS + "VerifiableProducer", "--bootstrap-server", BOOTSTRAP, "--topic", topic, "--max-messages", count, "--acks", -1)
    assert len(events(output, "producer_send_success")) == count, "not every record was acknowledged"
    assert not events(output, "producer_send_error"), "a record was refused"
    [told] = events(output, "tool_data")
    assert (told["sent"], told["acked"]) == (count, count), told


def verifiable_producer():
    create("verified")
    produced("verified")


def verifiable_consumer(protocol):
    """Two members share three partitions, one of them goes, and together they see every record, and commit all offsets."""
    topic = f"consumed-{protocol}"
    create(topic)
    members = []
    try:
        for number in range(2):
            log = OUT / f"{topic}-{number}.log"
            arguments = ["--bootstrap-server", BOOTSTRAP, "--topic", topic, "--group-id", topic, "--reset-policy", "earliest", "--verbose", "--group-protocol", protocol]
            with log.open("w") as out:
                members.append((subprocess.Popen(command(TOOLS + "VerifiableConsumer", *arguments), stdout=out, stderr=out), log))
        assigned = lambda member: [len(event["partitions"]) for event in events(member[1].read_text(), "partitions_assigned")]
        eventually("both have had partitions", lambda: all(any(assigned(member)) for member in members))
        produced(topic)
        consumed = lambda: {(record["partition"], record["offset"]) for _, log in members for record in events(log.read_text(), "record_data")}
        eventually("half of the records", lambda: len(consumed()) > RECORDS / 2)
        leaver = members[0][0]
        leaver.send_signal(signal.SIGTERM)
        leaver.wait(PATIENCE_SECONDS)
        eventually("every record", lambda: len(consumed()) == RECORDS)
        eventually("every offset committed", lambda: committed(members) == RECORDS)
    finally:
        for process, _ in members:
            process.kill()
            process.wait()


def committed(members):
    """The sum of the offsets committed last, over all partitions."""
    latest = {}
    for _, log in members:
        for event in events(log.read_text(), "offsets_committed"):
            assert event["success"] or event.get("error"), event
            for offset in event["offsets"] if event["success"] else []:
                partition = offset["partition"]
                latest[partition] = max(latest.get(partition, 0), offset["offset"])
    return sum(latest.values())


def eventually(what, holds):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


def performance(protocol):
    topic = f"performance-{protocol}"
    create(topic)
    output = run(TOOLS + "ProducerPerformance", "--topic", topic, "--num-records", RECORDS, "--record-size", 1000, "--throughput", -1, "--producer-props", f"bootstrap.servers={BOOTSTRAP}", "acks=all", "compression.type=zstd")
    assert f"{RECORDS} records sent" in output, output
    path = config(topic, group_protocol=protocol, group_id=topic)
    output = run(TOOLS + "ConsumerPerformance", "--bootstrap-server", BOOTSTRAP, "--topic", topic, "--messages", RECORDS, "--consumer.config", path, "--hide-header", "--timeout", 30_000)
    consumed = int(output.strip().splitlines()[-1].split(",")[4])
    assert consumed >= RECORDS, output


def end_to_end_latency():
    create("latency", 1)
    output = run(TOOLS + "EndToEndLatency", BOOTSTRAP, "latency", 500, "all", 100)
    assert re.search(r"Avg latency: [0-9.]+ ms", output), output


def broker_api_versions():
    output = run(TOOLS + "BrokerApiVersionsCommand", "--bootstrap-server", BOOTSTRAP)
    assert len(re.findall(r"^127\.0\.0\.1:\d+ \(id: \d+ rack: ", output, re.MULTILINE)) == 3, output
    assert "ConsumerGroupHeartbeat(68): 0 to 1" in output, output
    assert "UNKNOWN" not in output, "an API that this client does not know"


def client_compatibility():
    """What the client finds out of a broker by itself, which is what it then relies on."""
    create("compatible", 1)
    supports = {
        "offsets-for-times-supported": True,
        "cluster-id-supported": True,
        "expect-record-too-large-exception": False,
        "num-cluster-nodes": 3,
        "create-topics-supported": True,
        "describe-acls-supported": True,
        "describe-configs-supported": True,
        "idempotent-producer-supported": True,
    }
    words = [word for name, value in supports.items() for word in (f"--{name}", str(value))]
    run(TOOLS + "ClientCompatibilityTest", "--bootstrap-server", BOOTSTRAP, "--topic", "compatible", *words)


def streams_smoke_test(protocol):
    """Kafka Streams' own check of its aggregations, windows and joins, at least once: a driver writes what a client works on, and
    verifies the results."""
    streams = "org.apache.kafka.streams.tests.StreamsSmokeTest"
    for topic in ["data", "echo", "max", "min", "min-suppressed", "min-raw", "dif", "sum", "sws-raw", "sws-suppressed", "cnt", "avg", "tagg", "fk"]:
        create(topic, 5)
    path = config("streams", application_id="SmokeTest", state_dir=OUT / "streams", processing_guarantee="at_least_once", replication_factor=3, group_protocol=protocol)
    log = OUT / "streams-client.log"
    with log.open("w") as out:
        client = subprocess.Popen(command(streams, path, "process"), stdout=out, stderr=out)
    try:
        output = run(streams, path, "run", patience_seconds=600)
        assert "ALL-RECORDS-DELIVERED" in output and "SUCCESS" in output and "FAIL" not in output, output[-600:]
    finally:
        client.terminate()
        client.wait(PATIENCE_SECONDS)


# By name, what runs it.
PROGRAMS = {
    "VerifiableProducer": verifiable_producer,
    "VerifiableConsumer[classic]": lambda: verifiable_consumer("classic"),
    "VerifiableConsumer[consumer]": lambda: verifiable_consumer("consumer"),
    "ProducerPerformance and ConsumerPerformance[classic]": lambda: performance("classic"),
    "ProducerPerformance and ConsumerPerformance[consumer]": lambda: performance("consumer"),
    "EndToEndLatency": end_to_end_latency,
    "BrokerApiVersionsCommand": broker_api_versions,
    "ClientCompatibilityTest": client_compatibility,
    "StreamsSmokeTest[at_least_once]": lambda: streams_smoke_test("classic"),
}


def main():
    cases = []
    for name, program in PROGRAMS.items():
        begun = time.monotonic()
        try:
            program()
            wrong = ""
        except Exception as error:  # whatever it is, it is the result of this one
            wrong = f"<failure message={quoteattr(f'{type(error).__name__}: {error}')}/>"
        seconds = time.monotonic() - begun
        cases.append(f"<testcase classname='programs' name={quoteattr(name)} time='{seconds:.3f}'>{wrong}</testcase>")
    (OUT / "TEST-programs.xml").write_text(f"<testsuite>{''.join(cases)}</testsuite>")


main()
