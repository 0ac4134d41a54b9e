import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

/** The Java client. usage: java JavaClient.java BOOTSTRAP TOPIC */
public class JavaClient {
    static final long TIME = 1_700_000_000_000L;
    static final List<byte[]> VALUES = Arrays.asList("aaaaaaaaaa".getBytes(), new byte[0], null, new byte[2000]);
    static final List<Header> HEADERS = List.of(
            new RecordHeader("h", new byte[] {1}), new RecordHeader("h", new byte[] {2}), new RecordHeader("null", (byte[]) null));

    static void check(boolean holds, Object what) {
        if (!holds) throw new AssertionError(what);
    }

    /** A change is known to one broker before the others. */
    static void eventually(Object what, Callable<Boolean> holds) throws Exception {
        long deadline = System.nanoTime() + 30_000_000_000L;
        while (!holds.call()) {
            check(System.nanoTime() < deadline, what);
            Thread.sleep(20);
        }
    }

    static ProducerRecord<byte[], byte[]> record(String topic, int number, int k) {
        byte[] key = k % 4 == 0 ? null : ("key-" + k).getBytes();
        return new ProducerRecord<>(topic, 1, TIME + number * 1000L + k, key, VALUES.get(k % 4), HEADERS);
    }

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        Map<String, Object> base = Map.of("bootstrap.servers", args[0]);
        TopicPartition partition = new TopicPartition(topic, 1);
        try (Admin admin = Admin.create(base)) {
            admin.createTopics(List.of(new NewTopic(topic, 3, (short) 3).configs(Map.of("retention.ms", "-1")))).all().get(30, TimeUnit.SECONDS);
            List<ProducerRecord<byte[], byte[]>> sent = produce(base, topic);
            consume(base, partition, sent);
            // Each protocol by itself, and a group that goes from one to the other while it works.
            for (String firstBy : List.of("classic", "consumer")) {
                for (String secondBy : List.of("classic", "consumer")) {
                    subscribe(base, admin, partition, sent.size(), firstBy, secondBy);
                }
            }
            administer(admin, topic, partition, sent.size());
            if (System.getenv("KILL_LEADER") != null) leaderKilled(base, admin, topic + "-killed");
        }
        System.out.println("ok");
    }

    static List<ProducerRecord<byte[], byte[]>> produce(Map<String, Object> base, String topic) throws Exception {
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        List<String> codecs = List.of("none", "gzip", "snappy", "lz4", "zstd");
        for (int number = 0; number < codecs.size(); number++) {
            Map<String, Object> config = new HashMap<>(base);
            config.put("compression.type", codecs.get(number));
            config.put("linger.ms", 20);
            config.put("enable.idempotence", number % 2 == 0);
            try (var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
                List<Future<RecordMetadata>> pending = new ArrayList<>();
                for (int k = 0; k < 200; k++) {
                    sent.add(record(topic, number, k));
                    pending.add(producer.send(sent.get(sent.size() - 1)));
                }
                long expected = number * 200L;
                for (Future<RecordMetadata> one : pending) {
                    check(one.get(30, TimeUnit.SECONDS).offset() == expected++, "offset of an acknowledgement");
                }
            }
        }
        return sent;
    }

    static void consume(Map<String, Object> base, TopicPartition partition, List<ProducerRecord<byte[], byte[]>> sent) {
        try (var consumer = new KafkaConsumer<>(base, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            for (int start : new int[] {0, 1, 137, 555, sent.size() - 1}) {
                consumer.seek(partition, start);
                int next = start;
                while (next < sent.size()) {
                    var got = consumer.poll(Duration.ofSeconds(20));
                    check(!got.isEmpty(), "nothing at " + next);
                    for (ConsumerRecord<byte[], byte[]> one : got) {
                        ProducerRecord<byte[], byte[]> wanted = sent.get(next);
                        check(one.offset() == next, "offset " + one.offset() + " instead of " + next);
                        check(Arrays.equals(one.key(), wanted.key()), "key at " + next);
                        check(Arrays.equals(one.value(), wanted.value()), "value at " + next);
                        check(one.timestamp() == wanted.timestamp(), "timestamp at " + next);
                        check(List.of(one.headers().toArray()).equals(HEADERS), "headers at " + next);
                        next++;
                    }
                }
            }
            check(consumer.beginningOffsets(List.of(partition)).get(partition) == 0, "beginning");
            check(consumer.endOffsets(List.of(partition)).get(partition) == sent.size(), "end");
            var found = consumer.offsetsForTimes(Map.of(partition, TIME + 2 * 1000L + 50));
            check(found.get(partition).offset() == 450, found);
        }
    }

    static KafkaConsumer<byte[], byte[]> member(Map<String, Object> base, String topic, String group, String protocol) {
        Map<String, Object> config = new HashMap<>(base);
        config.putAll(Map.of("group.id", group, "group.protocol", protocol, "auto.offset.reset", "earliest", "enable.auto.commit", false));
        if (protocol.equals("classic")) config.put("heartbeat.interval.ms", 200);
        var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    static List<Integer> numbers(KafkaConsumer<byte[], byte[]> consumer) {
        return consumer.assignment().stream().map(TopicPartition::partition).sorted().toList();
    }

    /** Two members share the partitions; the one that stays takes over, commits, and its successor goes on from there. */
    static void subscribe(Map<String, Object> base, Admin admin, TopicPartition partition, int count, String firstBy, String secondBy) throws Exception {
        String topic = partition.topic(), group = topic + "-" + firstBy + "-" + secondBy;
        var first = member(base, topic, group, firstBy);
        for (int read = 0; read < count; ) {
            read += first.poll(Duration.ofSeconds(20)).count();
        }
        check(numbers(first).equals(List.of(0, 1, 2)), numbers(first));
        var second = member(base, topic, group, secondBy);
        eventually("two members that share", () -> {
            first.poll(Duration.ofMillis(50));
            second.poll(Duration.ofMillis(50));
            var all = new ArrayList<>(numbers(first));
            all.addAll(numbers(second));
            Collections.sort(all);
            return !numbers(second).isEmpty() && all.equals(List.of(0, 1, 2));
        });
        first.close();
        eventually("one member that has all", () -> {
            second.poll(Duration.ofMillis(50));
            return numbers(second).equals(List.of(0, 1, 2));
        });
        second.commitSync(Map.of(partition, new OffsetAndMetadata(600, "half")));
        second.close();
        var third = member(base, topic, group, firstBy);
        var records = third.poll(Duration.ofSeconds(20));
        while (records.isEmpty()) records = third.poll(Duration.ofSeconds(20));
        check(records.iterator().next().offset() == 600, "where the successor began");
        var described = admin.describeConsumerGroups(List.of(group)).all().get(30, TimeUnit.SECONDS).get(group);
        check(described.members().size() == 1 && described.groupState() == GroupState.STABLE, described);
        third.close();
        var committed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get(30, TimeUnit.SECONDS).get(partition);
        check(committed.offset() == 600 && committed.metadata().equals("half"), committed);
        admin.deleteConsumerGroups(List.of(group)).all().get(30, TimeUnit.SECONDS);
    }

    static void administer(Admin admin, String topic, TopicPartition partition, int count) throws Exception {
        var described = admin.describeTopics(List.of(topic)).allTopicNames().get(30, TimeUnit.SECONDS).get(topic);
        check(described.partitions().size() == 3 && described.partitions().get(1).isr().size() == 3, described);
        check(admin.describeCluster().nodes().get(30, TimeUnit.SECONDS).size() == 3, "nodes");
        var latest = admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition);
        check(latest.get(30, TimeUnit.SECONDS).offset() == count - 1, "largest timestamp");

        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        var set = new AlterConfigOp(new ConfigEntry("max.message.bytes", "2000000"), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get(30, TimeUnit.SECONDS);
        eventually("the changed setting", () -> {
            var config = admin.describeConfigs(List.of(resource)).all().get(30, TimeUnit.SECONDS).get(resource);
            return config.get("max.message.bytes").value().equals("2000000");
        });

        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get(30, TimeUnit.SECONDS);
        var deleted = admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(300))).lowWatermarks().get(partition);
        check(deleted.get(30, TimeUnit.SECONDS).lowWatermark() == 300, "low watermark");
        var dirs = admin.describeLogDirs(List.of(described.partitions().get(1).leader().id()));
        check(!dirs.allDescriptions().get(30, TimeUnit.SECONDS).isEmpty(), "log dirs");
        admin.deleteTopics(List.of(topic)).all().get(30, TimeUnit.SECONDS);
    }

    /** The leader dies while records are on their way: all are there once, in order, and no more of them. */
    static void leaderKilled(Map<String, Object> base, Admin admin, String topic) throws Exception {
        var settings = Map.of("min.insync.replicas", "2");
        admin.createTopics(List.of(new NewTopic(topic, 1, (short) 3).configs(settings))).all().get(30, TimeUnit.SECONDS);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        Process killer = null;
        try (var producer = new KafkaProducer<>(base, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int enough = Integer.MAX_VALUE; sent.size() < enough || !sent.get(enough - 1).isDone(); ) {
                for (int k = 0; k < 10; k++) {
                    sent.add(producer.send(new ProducerRecord<>(topic, 0, null, ("" + sent.size()).getBytes())));
                }
                Thread.sleep(5); // the pace of the load
                if (killer == null && sent.size() > 500 && sent.get(500).isDone()) {
                    killer = new ProcessBuilder(System.getenv("KILL_LEADER"), topic, "0").inheritIO().start();
                } else if (enough == Integer.MAX_VALUE && killer != null && !killer.isAlive()) {
                    check(killer.exitValue() == 0, "the leader could not be killed");
                    enough = sent.size() + 500;
                }
            }
            for (int k = 0; k < sent.size(); k++) {
                check(sent.get(k).get(30, TimeUnit.SECONDS).offset() == k, "offset of acknowledgement " + k);
            }
        }
        TopicPartition only = new TopicPartition(topic, 0);
        try (var consumer = new KafkaConsumer<>(base, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(only));
            consumer.seek(only, 0);
            for (int next = 0; next < sent.size(); ) {
                var got = consumer.poll(Duration.ofSeconds(20));
                check(!got.isEmpty(), "nothing at " + next);
                for (ConsumerRecord<byte[], byte[]> one : got) {
                    check(new String(one.value()).equals("" + next), "record at " + next);
                    next++;
                }
            }
            check(consumer.endOffsets(List.of(only)).get(only) == sent.size(), "end");
        }
        admin.deleteTopics(List.of(topic)).all().get(30, TimeUnit.SECONDS);
    }
}
