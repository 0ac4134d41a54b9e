package kafka.integration;

import java.io.File;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import kafka.server.BrokerServer;
import kafka.server.ControllerServer;
import kafka.server.KafkaBroker;
import kafka.server.KafkaConfig;
import kafka.server.QuorumTestHarness;
import kafka.utils.TestInfoUtils;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.network.ListenerName;
import org.apache.kafka.common.security.auth.SecurityProtocol;
import org.apache.kafka.common.utils.Time;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.params.provider.Arguments;
import scala.Option;
import scala.collection.Seq;
import scala.collection.mutable.Buffer;
import scala.jdk.javaapi.CollectionConverters;
import suites.Cluster;
import suites.Replicas;
import suites.Stand;

/**
 * Stands before Kafka's class of this name on the class path, from which its integration tests have their brokers: these have ours. The methods are
 * those that the tests call; the names of the defaults are Scala's.
 */
public abstract class KafkaServerTestHarness extends QuorumTestHarness {
    private Cluster cluster;
    private TestInfo info;
    private Seq<KafkaConfig> configs;
    private final Map<Integer, BrokerServer> stands = new TreeMap<>();

    /** What each test class says of its brokers. */
    public abstract Seq<KafkaConfig> generateConfigs();

    @Override
    @BeforeEach
    public void setUp(TestInfo testInfo) {
        info = testInfo;
        Map<Integer, Map<String, String>> all = new TreeMap<>();
        for (KafkaConfig config : CollectionConverters.asJava(configs())) {
            Map<String, String> settings = new HashMap<>();
            config.originals().forEach((name, value) -> settings.put(name, String.valueOf(value)));
            all.put(config.nodeId(), settings);
        }
        cluster = new Cluster(all);
        cluster.start();
        for (KafkaConfig config : CollectionConverters.asJava(configs())) {
            stands.put(config.nodeId(), Stand.in(cluster, config.nodeId(), config));
        }
    }

    /** Hides the check that all clients are closed: those of one test that failed would fail all tests of its class. */
    @AfterAll
    public static void tearDownClass() {
    }

    @Override
    @AfterEach
    public void tearDown() {
        if (cluster != null) {
            cluster.close();
        }
    }

    @Override
    public Option<GroupProtocol> maybeGroupProtocolSpecified() {
        return TestInfoUtils.maybeGroupProtocolSpecified(info);
    }

    @Override
    public Seq<ControllerServer> controllerServers() {
        return scala(List.<ControllerServer>of());
    }

    public Seq<KafkaConfig> configs() {
        if (configs == null) {
            configs = generateConfigs();
        }
        return configs;
    }

    public Seq<KafkaConfig> instanceConfigs() {
        return configs;
    }

    public Buffer<KafkaBroker> brokers() {
        return CollectionConverters.asScala(List.copyOf(stands.values()));
    }

    public Buffer<BrokerServer> brokerServers() {
        return CollectionConverters.asScala(List.copyOf(stands.values()));
    }

    public Buffer<KafkaBroker> servers() {
        return brokers();
    }

    public Seq<KafkaBroker> aliveBrokers() {
        return scala(stands.entrySet().stream().filter(entry -> cluster.isAlive(entry.getKey())).<KafkaBroker>map(Map.Entry::getValue).toList());
    }

    public Option<KafkaBroker> serverForId(int id) {
        return Option.apply(stands.get(id));
    }

    public int boundPort(KafkaBroker broker) {
        return cluster.port(broker.config().nodeId());
    }

    public String bootstrapServers(ListenerName listener) {
        return cluster.bootstrap();
    }

    public ListenerName bootstrapServers$default$1() {
        return listenerName();
    }

    public SecurityProtocol securityProtocol() {
        return SecurityProtocol.PLAINTEXT;
    }

    public ListenerName listenerName() {
        return ListenerName.forSecurityProtocol(securityProtocol());
    }

    public Option<File> trustStoreFile() {
        return Option.empty();
    }

    public Option<Properties> serverSaslProperties() {
        return Option.empty();
    }

    public Option<Properties> clientSaslProperties() {
        return Option.empty();
    }

    public Time brokerTime(int id) {
        return Time.SYSTEM;
    }

    public void createOffsetsTopic(ListenerName listener, Properties adminConfig) {
        // It is made when a group is first looked for.
        cluster.with(admin -> admin.listConsumerGroupOffsets("any").all().get());
    }

    public ListenerName createOffsetsTopic$default$1() {
        return listenerName();
    }

    public Properties createOffsetsTopic$default$2() {
        return new Properties();
    }

    public scala.collection.immutable.Map<Object, Object> createTopic(
        String topic, int partitions, int replicas, Properties settings, ListenerName listener, Properties adminConfig) {
        Map<String, String> configs = new HashMap<>();
        settings.forEach((name, value) -> configs.put((String) name, String.valueOf(value)));
        return created(new NewTopic(topic, partitions, (short) replicas).configs(configs));
    }

    public int createTopic$default$2() {
        return 1;
    }

    public int createTopic$default$3() {
        return 1;
    }

    public Properties createTopic$default$4() {
        return new Properties();
    }

    public ListenerName createTopic$default$5() {
        return listenerName();
    }

    public Properties createTopic$default$6() {
        return new Properties();
    }

    public scala.collection.immutable.Map<Object, Object> createTopicWithAssignment(
        String topic, scala.collection.Map<Object, Seq<Object>> assignment, ListenerName listener) {
        Map<Integer, List<Integer>> replicas = new HashMap<>();
        CollectionConverters.asJava(assignment).forEach((partition, ids) ->
            replicas.put((Integer) partition, CollectionConverters.asJava(ids).stream().map(id -> (Integer) id).toList()));
        return created(new NewTopic(topic, replicas));
    }

    public ListenerName createTopicWithAssignment$default$3() {
        return listenerName();
    }

    public void deleteTopic(String topic, ListenerName listener) {
        cluster.with(admin -> admin.deleteTopics(List.of(topic)).all().get());
    }

    public ListenerName deleteTopic$default$2() {
        return listenerName();
    }

    public int killRandomBroker() {
        List<Integer> alive = stands.keySet().stream().filter(cluster::isAlive).toList();
        int chosen = alive.get(new Random().nextInt(alive.size()));
        cluster.stopBroker(chosen);
        return chosen;
    }

    public void killBroker(int index) {
        cluster.stopBroker(id(index));
    }

    public void killBroker(int index, Duration patience) {
        killBroker(index);
    }

    public void startBroker(int index) {
        cluster.startBroker(id(index));
    }

    public void restartDeadBrokers(boolean reconfigure) {
        stands.keySet().stream().filter(id -> !cluster.isAlive(id)).forEach(cluster::startBroker);
    }

    public boolean restartDeadBrokers$default$1() {
        return false;
    }

    public void ensureConsistentKRaftMetadata() {
        // Every broker waits for what it is asked about.
    }

    public scala.collection.immutable.Map<String, Uuid> getTopicIds(Seq<String> names) {
        List<String> wanted = CollectionConverters.asJava(names);
        return ids(topicIds().entrySet().stream().filter(entry -> wanted.contains(entry.getKey()))
            .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)));
    }

    public scala.collection.immutable.Map<String, Uuid> getTopicIds() {
        return ids(topicIds());
    }

    public scala.collection.immutable.Map<Uuid, String> getTopicNames() {
        return ids(topicIds().entrySet().stream().collect(Collectors.toMap(Map.Entry::getValue, Map.Entry::getKey)));
    }

    private Map<String, Uuid> topicIds() {
        return cluster.with(admin -> admin.listTopics().listings().get().stream()
            .collect(Collectors.toMap(listing -> listing.name(), listing -> listing.topicId())));
    }

    // What tests of 4.0 are run with.

    public static Stream<Arguments> getTestQuorumAndGroupProtocolParametersAll() {
        return Stream.of(Arguments.of("kraft", "classic"), Arguments.of("kraft", "consumer"));
    }

    public static Stream<Arguments> getTestQuorumAndGroupProtocolParametersClassicGroupProtocolOnly() {
        return Stream.of(Arguments.of("kraft", "classic"));
    }

    public static Stream<Arguments> getTestQuorumAndGroupProtocolParametersConsumerGroupProtocolOnly() {
        return Stream.of(Arguments.of("kraft", "consumer"));
    }

    private int id(int index) {
        return List.copyOf(stands.keySet()).get(index);
    }

    /** Makes a topic, and waits until every broker knows its leaders, which are given. */
    private scala.collection.immutable.Map<Object, Object> created(NewTopic topic) {
        return cluster.with(admin -> {
            admin.createTopics(List.of(topic)).all().get();
            Cluster.await("every broker knows all leaders of " + topic.name(), () ->
                stands.keySet().stream().filter(cluster::isAlive).allMatch(id -> Replicas.isKnown(cluster, id, topic.name())));
            Map<Object, Object> leaders = new HashMap<>();
            admin.describeTopics(List.of(topic.name())).allTopicNames().get().get(topic.name()).partitions()
                .forEach(it -> leaders.put(it.partition(), it.leader().id()));
            return ids(leaders);
        });
    }

    private static <K, V> scala.collection.immutable.Map<K, V> ids(Map<K, V> map) {
        return scala.collection.immutable.Map.from(CollectionConverters.asScala(map));
    }

    private static <T> Seq<T> scala(List<T> list) {
        return CollectionConverters.asScala(list).toSeq();
    }
}
