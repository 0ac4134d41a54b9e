// npm's kafkajs: producing and administering; its consumers need a group. usage: node kafkajs.js BOOTSTRAP TOPIC
const assert = require("node:assert");
const { CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require("kafkajs");

const [bootstrap, topic] = process.argv.slice(2);
const kafka = new Kafka({ brokers: bootstrap.split(","), logLevel: logLevel.ERROR });
const time = 1_700_000_000_000;

// A change is known to one broker before the others.
async function eventually(what, holds) {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    assert(Date.now() < deadline, what);
    await new Promise((wake) => setTimeout(wake, 20));
  }
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
  await admin.disconnect();
  console.log("ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
