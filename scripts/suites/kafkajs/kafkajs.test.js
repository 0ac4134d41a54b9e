// Tests of ours that drive kafkajs: what its users do with producers, groups and the admin client. BOOTSTRAP names the brokers.
const assert = require("node:assert");
const { randomUUID } = require("node:crypto");
const { after, before, test } = require("node:test");
const { AssignerProtocol, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require("kafkajs");

const kafka = new Kafka({ brokers: process.env.BOOTSTRAP.split(","), logLevel: logLevel.NOTHING });
const admin = kafka.admin();
const open = [];

before(() => admin.connect());
after(async () => {
  await Promise.all(open.map((client) => client.disconnect()));
  await admin.disconnect();
});

async function eventually(what, holds) {
  const deadline = Date.now() + 30_000;
  while (!(await holds())) {
    assert(Date.now() < deadline, `never: ${what}`);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}

async function create(settings = {}) {
  const topic = `kafkajs-${randomUUID()}`;
  assert(await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 3, ...settings }] }));
  return topic;
}

async function connected(client) {
  open.push(client);
  await client.connect();
  return client;
}

const producer = (settings) => connected(kafka.producer(settings));

// A running member of a group, with what it has read and what it is assigned.
async function member(groupId, topic, settings = {}, running = {}) {
  const consumer = await connected(kafka.consumer({ groupId, heartbeatInterval: 200, maxWaitTimeInMs: 100, ...settings }));
  const seen = { consumer, messages: [], assigned: [] };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    seen.assigned = payload.memberAssignment;
  });
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const eachMessage = async (message) => {
    seen.messages.push(message);
  };
  await consumer.run({ eachMessage, ...running });
  return seen;
}

const numbered = (count, more = {}) => Array.from({ length: count }, (_, n) => ({ value: String(n), ...more }));
const values = (seen) => seen.messages.map(({ message }) => Number(message.value));

for (const [name, acks] of [["none", 0], ["the leader's", 1], ["all", -1]]) {
  test(`produce with acknowledgement: ${name}`, async () => {
    const topic = await create();
    const sent = await (await producer()).send({ topic, acks, messages: numbered(10, { partition: 2 }) });
    if (acks !== 0) assert.deepStrictEqual(sent.map(({ baseOffset, errorCode }) => [baseOffset, errorCode]), [["0", 0]]);
    await eventually("ten records", async () => (await admin.fetchTopicOffsets(topic)).find((it) => it.partition === 2).high === "10");
  });
}

test("records come back as they were sent", async () => {
  const topic = await create();
  const messages = [
    { partition: 0, key: "k", value: "v", headers: { one: "1", several: ["a", "b"] }, timestamp: "1700000000123" },
    { partition: 0, key: null, value: null },
    { partition: 0, key: Buffer.from([0, 255]), value: Buffer.alloc(0) },
  ];
  await (await producer()).send({ topic, compression: CompressionTypes.GZIP, messages });
  const { messages: read } = await (async () => {
    const seen = await member(`g-${topic}`, topic);
    await eventually("all", () => seen.messages.length === 3);
    return seen;
  })();
  const [first, second, third] = read.map(({ message }) => message);
  assert.deepStrictEqual([first.key.toString(), first.value.toString(), first.timestamp], ["k", "v", "1700000000123"]);
  assert.deepStrictEqual([first.headers.one.toString(), first.headers.several.map(String)], ["1", ["a", "b"]]);
  assert.deepStrictEqual([second.key, second.value], [null, null]);
  assert.deepStrictEqual([[...third.key], third.value.length], [[0, 255], 0]);
});

test("records of a key keep their order, and share a partition", async () => {
  const topic = await create();
  const writer = await producer({ idempotent: true, maxInFlightRequests: 1 });
  for (let n = 0; n < 30; n += 1) await writer.send({ topic, messages: [{ key: `key-${n % 3}`, value: String(n) }] });
  const seen = await member(`g-${topic}`, topic);
  await eventually("all", () => seen.messages.length === 30);
  for (const key of ["key-0", "key-1", "key-2"]) {
    const own = seen.messages.filter(({ message }) => message.key.toString() === key);
    assert.strictEqual(new Set(own.map(({ partition }) => partition)).size, 1);
    assert.deepStrictEqual(own.map(({ message }) => Number(message.value)), Array.from({ length: 10 }, (_, n) => 3 * n + Number(key.at(-1))));
  }
});

test("a batch goes to several topics", async () => {
  const topics = [await create(), await create()];
  await (await producer()).sendBatch({ topicMessages: topics.map((topic) => ({ topic, messages: numbered(5, { partition: 1 }) })) });
  for (const topic of topics) assert.strictEqual((await admin.fetchTopicOffsets(topic)).find((it) => it.partition === 1).high, "5");
});

test("what is too large is refused", async () => {
  const topic = await create({ configEntries: [{ name: "max.message.bytes", value: "1000" }] });
  const sent = (await producer({ retry: { retries: 0 } })).send({ topic, messages: [{ value: Buffer.alloc(2000, "x") }] });
  await assert.rejects(sent, { type: "MESSAGE_TOO_LARGE" });
});

test("a group goes on where it committed", async () => {
  const [topic, groupId] = [await create(), `g-${randomUUID()}`];
  await (await producer()).send({ topic, messages: numbered(20, { partition: 0 }) });
  const first = await member(groupId, topic, {}, { autoCommit: false });
  await eventually("all", () => first.messages.length === 20);
  await first.consumer.commitOffsets([{ topic, partition: 0, offset: "12", metadata: "half" }]);
  await first.consumer.disconnect();
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] });
  const { offset, metadata } = partitions.find((it) => it.partition === 0);
  assert.deepStrictEqual([offset, metadata], ["12", "half"]);
  const second = await member(groupId, topic);
  await eventually("the rest", () => second.messages.length === 8);
  assert.deepStrictEqual(values(second), [12, 13, 14, 15, 16, 17, 18, 19]);
});

test("members share, and take over from who goes", async () => {
  const [topic, groupId] = [await create(), `g-${randomUUID()}`];
  const first = await member(groupId, topic);
  await eventually("one member that has all", () => first.assigned[topic]?.length === 3);
  const second = await member(groupId, topic);
  await eventually("two members that share", () => {
    const all = [...(first.assigned[topic] ?? []), ...(second.assigned[topic] ?? [])].sort();
    return second.assigned[topic]?.length > 0 && all.join() === "0,1,2";
  });
  const { groups } = await admin.describeGroups([groupId]);
  assert.deepStrictEqual([groups[0].state, groups[0].protocolType, groups[0].members.length], ["Stable", "consumer", 2]);
  const named = groups[0].members.flatMap((it) => AssignerProtocol.MemberAssignment.decode(it.memberAssignment).assignment[topic]);
  assert.deepStrictEqual(named.sort(), [0, 1, 2]);
  await assert.rejects(admin.deleteGroups([groupId]), (error) => error.groups[0].error.type === "NON_EMPTY_GROUP");
  await first.consumer.disconnect();
  await eventually("one member that has all", () => second.assigned[topic]?.length === 3);
  await second.consumer.disconnect();
  await eventually("a group without members", async () => (await admin.describeGroups([groupId])).groups[0].state === "Empty");
  assert((await admin.listGroups()).groups.some((group) => group.groupId === groupId));
  await admin.deleteGroups([groupId]);
  assert.strictEqual((await admin.describeGroups([groupId])).groups[0].state, "Dead");
});

test("batches are resolved record by record, and committed", async () => {
  const [topic, groupId] = [await create(), `g-${randomUUID()}`];
  await (await producer()).send({ topic, messages: numbered(50, { partition: 1 }) });
  let read = 0;
  const eachBatch = async ({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary }) => {
    for (const message of batch.messages) {
      read += 1;
      resolveOffset(message.offset);
    }
    await heartbeat();
    await commitOffsetsIfNecessary();
  };
  const { consumer } = await member(groupId, topic, {}, { eachMessage: undefined, eachBatch, eachBatchAutoResolve: false });
  await eventually("all", () => read === 50);
  await consumer.disconnect();
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] });
  assert.strictEqual(partitions.find((it) => it.partition === 1).offset, "50");
});

test("a consumer seeks, pauses and resumes", async () => {
  const topic = await create({ numPartitions: 1 });
  await (await producer()).send({ topic, messages: numbered(10) });
  const seen = await member(`g-${topic}`, topic);
  await eventually("all", () => seen.messages.length === 10);
  seen.consumer.seek({ topic, partition: 0, offset: "7" });
  await eventually("the last three again", () => seen.messages.length === 13);
  assert.deepStrictEqual(values(seen).slice(10), [7, 8, 9]);
  seen.consumer.pause([{ topic }]);
  await (await producer()).send({ topic, messages: numbered(1) });
  assert.deepStrictEqual(seen.consumer.paused(), [{ topic, partitions: [0] }]);
  seen.consumer.resume([{ topic }]);
  await eventually("one more", () => seen.messages.length === 14);
});

test("topics are found by a regular expression", async () => {
  const prefix = `found-${randomUUID()}`;
  for (const end of ["a", "b"]) await admin.createTopics({ topics: [{ topic: `${prefix}-${end}`, numPartitions: 1 }] });
  const seen = await member(`g-${prefix}`, new RegExp(`^${prefix}-.*`));
  await eventually("both", () => Object.keys(seen.assigned).length === 2);
});

test("offsets of a group are set by an administrator", async () => {
  const [topic, groupId] = [await create(), `g-${randomUUID()}`];
  await (await producer()).send({ topic, messages: numbered(10, { partition: 0 }) });
  const offset = async (partition) => (await admin.fetchOffsets({ groupId, topics: [topic] }))[0].partitions.find((it) => it.partition === partition).offset;
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: "4" }] });
  assert.strictEqual(await offset(0), "4");
  assert.strictEqual(await offset(1), "-1");
  await admin.resetOffsets({ groupId, topic, earliest: true });
  const seen = await member(groupId, topic);
  await eventually("all", () => seen.messages.length === 10);
});

test("offsets are found by time", async () => {
  const topic = await create({ numPartitions: 1 });
  const messages = Array.from({ length: 10 }, (_, n) => ({ value: "v", timestamp: String(1_700_000_000_000 + n * 1000) }));
  await (await producer()).send({ topic, messages });
  const [{ offset }] = await admin.fetchTopicOffsetsByTimestamp(topic, 1_700_000_003_500);
  assert.strictEqual(offset, "4");
  const [latest] = await admin.fetchTopicOffsetsByTimestamp(topic, 1_800_000_000_000);
  assert.strictEqual(latest.offset, "10");
});

test("topics are made, told and deleted", async () => {
  const topic = await create();
  assert.strictEqual(await admin.createTopics({ topics: [{ topic }] }), false);
  const checked = `checked-${randomUUID()}`;
  await admin.createTopics({ validateOnly: true, waitForLeaders: false, topics: [{ topic: checked, numPartitions: 2 }] });
  await assert.rejects(admin.createTopics({ topics: [{ topic: "a/b" }] }), (error) => error.errors[0].type === "INVALID_TOPIC_EXCEPTION");
  await assert.rejects(admin.createTopics({ topics: [{ topic: checked, replicationFactor: 9 }] }), (error) => error.errors[0].type === "INVALID_REPLICATION_FACTOR");
  const names = await admin.listTopics();
  assert(names.includes(topic) && !names.includes(checked));
  const chosen = `chosen-${randomUUID()}`;
  const { brokers } = await admin.describeCluster();
  const replicaAssignment = brokers.map(({ nodeId }, partition) => ({ partition, replicas: [nodeId] }));
  await admin.createTopics({ topics: [{ topic: chosen, replicaAssignment }] });
  const { topics } = await admin.fetchTopicMetadata({ topics: [chosen] });
  const leaders = topics[0].partitions.sort((a, b) => a.partitionId - b.partitionId).map(({ leader }) => leader);
  assert.deepStrictEqual(leaders, brokers.map(({ nodeId }) => nodeId));
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
  await eventually("five partitions", async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length === 5);
  await assert.rejects(admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] }), { type: "INVALID_PARTITIONS" });
  await admin.deleteTopics({ topics: [topic, chosen] });
  await eventually("both gone", async () => !(await admin.listTopics()).some((name) => [topic, chosen].includes(name)));
});

test("records are deleted up to an offset", async () => {
  const topic = await create({ numPartitions: 1 });
  await (await producer()).send({ topic, messages: numbered(10) });
  assert.strictEqual((await admin.fetchTopicOffsets(topic))[0].high, "10");
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: "6" }] });
  const seen = await member(`g-${topic}`, topic);
  await eventually("the rest", () => seen.messages.length === 4);
  assert.deepStrictEqual(values(seen), [6, 7, 8, 9]);
});

test("settings are described and changed", async () => {
  const topic = await create();
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
  await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name: "retention.ms", value: "12345" }] }] });
  await eventually("the new value", async () => {
    const { resources } = await admin.describeConfigs({ resources: [{ ...resource, configNames: ["retention.ms"] }] });
    return resources[0].configEntries[0].configValue === "12345";
  });
  const wrong = admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name: "no.such", value: "1" }] }] });
  await assert.rejects(wrong, { type: "INVALID_CONFIG" });
});

test("a partition moves to other brokers", async () => {
  const { brokers } = await admin.describeCluster();
  const ids = brokers.map(({ nodeId }) => nodeId);
  const topic = await create({ numPartitions: -1, replicationFactor: -1, replicaAssignment: [{ partition: 0, replicas: [ids[0]] }] });
  await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment: [{ partition: 0, replicas: [ids[1]] }] }] });
  await eventually("its new place", async () => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0].partitions[0].replicas.join() === String(ids[1]);
  });
  // Another broker may answer, which hears of the end a moment later.
  await eventually("the end of the move", async () => {
    const { topics } = await admin.listPartitionReassignments({ topics: [{ topic, partitions: [0] }] });
    return topics.length === 0;
  });
});
