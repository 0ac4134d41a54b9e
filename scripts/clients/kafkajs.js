// npm's kafkajs: producing, administering, and consuming as a group, which is the only way it has. usage: node kafkajs.js BOOTSTRAP TOPIC
const assert = require("node:assert");
const { spawn } = require("node:child_process");
const { CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require("kafkajs");

const [bootstrap, topic] = process.argv.slice(2);
const kafka = new Kafka({ brokers: bootstrap.split(","), logLevel: logLevel.ERROR });
const time = 1_700_000_000_000;

// A change is known to one broker before the others.
async function eventually(what, holds) {
  const deadline = Date.now() + 30_000;
  while (!(await holds())) {
    assert(Date.now() < deadline, what);
    await new Promise((wake) => setTimeout(wake, 20));
  }
}

// A member of the group: what it has read of partition 1, what it is assigned, and what happens to it.
async function member() {
  const consumer = kafka.consumer({ groupId: `${topic}-group`, heartbeatInterval: 200 });
  const seen = { consumer, offsets: [], assigned: [] };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    seen.assigned = payload.memberAssignment[topic] ?? [];
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ message }) => {
      seen.offsets.push(Number(message.offset));
    },
  });
  return seen;
}

// Two members share the partitions; the one that stays takes over, commits, and its successor goes on from there.
async function subscribed(count) {
  const first = await member();
  await eventually("everything", () => first.offsets.length >= count);
  const second = await member();
  await eventually("two members that share", () => {
    const all = [...first.assigned, ...second.assigned].sort();
    return second.assigned.length > 0 && all.join() === "0,1,2";
  });
  await first.consumer.disconnect();
  await eventually("one member that has all", () => second.assigned.length === 3);
  await second.consumer.commitOffsets([{ topic, partition: 1, offset: "300", metadata: "half" }]);
  await second.consumer.disconnect();
  const third = await member();
  await eventually("the rest", () => third.offsets.length > 0);
  assert.strictEqual(third.offsets[0], 300);
  await third.consumer.disconnect();
}

// The leader dies while records are on their way: all are there once, in order, and no more of them.
async function leaderKilled(admin, topic) {
  const configEntries = [{ name: "min.insync.replicas", value: "2" }];
  assert(await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 3, configEntries }] }));
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  let sent = 0;
  let enough = Infinity;
  let killed;
  for (; sent < enough; sent += 10) {
    const messages = Array.from({ length: 10 }, (_, k) => ({ partition: 0, value: String(sent + k) }));
    const [stored] = await producer.send({ topic, acks: -1, messages });
    assert.strictEqual(Number(stored.baseOffset), sent);
    if (!killed && sent >= 500) {
      const killer = spawn(process.env.KILL_LEADER, [topic, "0"], { stdio: "inherit" });
      killed = new Promise((done) => killer.on("exit", done)).then((code) => {
        assert.strictEqual(code, 0, "the leader could not be killed");
        enough = sent + 500;
      });
    }
  }
  await killed;
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: `${topic}-group` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const values = [];
  await consumer.run({
    eachMessage: async ({ message }) => {
      values.push(Number(message.value));
    },
  });
  await eventually("all records", () => values.length >= sent);
  assert.deepStrictEqual(values, [...Array(sent).keys()]);
  await consumer.disconnect();
  assert.strictEqual((await admin.fetchTopicOffsets(topic))[0].high, String(sent));
  await admin.deleteTopics({ topics: [topic] });
}

async function main() {
  const admin = kafka.admin();
  await admin.connect();
  assert(await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 3, configEntries: [{ name: "retention.ms", value: "-1" }] }] }));
  let next = 0n;
  for (const [number, compression] of [CompressionTypes.None, CompressionTypes.GZIP].entries()) {
    const producer = kafka.producer({ idempotent: number % 2 === 0, maxInFlightRequests: 1 });
    await producer.connect();
    const messages = Array.from({ length: 200 }, (_, k) => ({
      partition: 1,
      key: k % 4 ? `key-${k}` : null,
      value: [Buffer.alloc(10, "a"), Buffer.alloc(0), null, Buffer.alloc(2000)][k % 4],
      headers: { h: ["1", "2"] },
      timestamp: String(time + number * 1000 + k),
    }));
    const [stored] = await producer.send({ topic, compression, acks: -1, messages });
    assert.strictEqual(BigInt(stored.baseOffset), next);
    next += 200n;
    await producer.disconnect();
  }
  await subscribed(400);
  const groupOffsets = await admin.fetchOffsets({ groupId: `${topic}-group`, topics: [topic] });
  const committed = groupOffsets[0].partitions.find(({ partition }) => partition === 1);
  assert.deepStrictEqual([committed.offset, committed.metadata], ["300", "half"]);
  await admin.deleteGroups([`${topic}-group`]);
  const offsets = await admin.fetchTopicOffsets(topic);
  assert.deepStrictEqual(offsets.find(({ partition }) => partition === 1).high, "400");
  const after = await admin.fetchTopicOffsetsByTimestamp(topic, time + 1050);
  assert.strictEqual(after.find(({ partition }) => partition === 1).offset, "250");

  const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: "max.message.bytes", value: "2000000" }] }];
  await admin.alterConfigs({ validateOnly: false, resources });
  await eventually("the changed setting", async () => {
    const { resources: described } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    });
    const entry = described[0].configEntries.find(({ configName }) => configName === "max.message.bytes");
    return entry.configValue === "2000000";
  });

  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
  await eventually("five partitions", async () => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0].partitions.length === 5;
  });
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: "300" }] });
  const low = (await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 1).low;
  assert.strictEqual(low, "300");
  await admin.deleteTopics({ topics: [topic] });
  if (process.env.KILL_LEADER) await leaderKilled(admin, `${topic}-killed`);
  await admin.disconnect();
  console.log("ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
