package suites;

import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import kafka.log.LogManager;
import kafka.network.SocketServer;
import kafka.server.BrokerLifecycleManager;
import kafka.server.BrokerServer;
import kafka.server.KafkaApis;
import kafka.server.KafkaConfig;
import kafka.server.ReplicaManager;
import kafka.server.metadata.KRaftMetadataCache;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.MetadataResponseData.MetadataResponsePartition;
import org.apache.kafka.common.message.MetadataResponseData.MetadataResponseTopic;
import org.apache.kafka.coordinator.group.GroupCoordinator;
import org.apache.kafka.metadata.BrokerState;
import org.apache.kafka.metadata.LeaderAndIsr;
import org.apache.kafka.metadata.LeaderRecoveryState;
import org.mockito.Mockito;
import org.mockito.invocation.InvocationOnMock;
import org.mockito.stubbing.Answer;

/**
 * What stands in for the broker objects that Kafka's tests hold: they say where a broker of ours listens, how it was configured, and what it
 * knows of topics and replicas, which they ask it; they stop and start it. Whatever else a test wants to see inside of a broker fails that test.
 */
public final class Stand {
    /** Clients are not told the epochs of partitions. */
    private static final int UNKNOWN_EPOCH = -1;

    private Stand() {
    }

    /** One for a broker of the cluster. */
    public static BrokerServer in(Cluster cluster, int id, KafkaConfig config) {
        SocketServer socket = Mockito.mock(SocketServer.class, Stand::refused);
        Mockito.doAnswer(call -> cluster.port(id)).when(socket).boundPort(Mockito.any());
        GroupCoordinator coordinator = Mockito.mock(GroupCoordinator.class, Stand::refused);
        Mockito.doReturn(new Properties()).when(coordinator).groupMetadataTopicConfigs();
        KRaftMetadataCache cache = cache(cluster, id);
        BrokerServer broker = Mockito.mock(BrokerServer.class, Stand::refused);
        Mockito.doReturn(socket).when(broker).socketServer();
        Mockito.doAnswer(call -> cluster.port(id)).when(broker).boundPort(Mockito.any());
        Mockito.doReturn(config).when(broker).config();
        KafkaApis apis = Mockito.mock(KafkaApis.class, Stand::refused);
        Mockito.doReturn(cache).when(apis).metadataCache();
        Mockito.doReturn(Cluster.ID).when(apis).clusterId();
        Mockito.doReturn(id).when(apis).brokerId();
        Mockito.doReturn(apis).when(broker).dataPlaneRequestProcessor();
        Mockito.doReturn(cache).when(broker).metadataCache();
        Mockito.doAnswer(call -> cluster.isAlive(id) ? BrokerState.RUNNING : BrokerState.NOT_RUNNING).when(broker).brokerState();
        Mockito.doReturn(coordinator).when(broker).groupCoordinator();
        ReplicaManager replicas = Replicas.of(cluster, id);
        LogManager logs = replicas.logManager();
        Mockito.doReturn(replicas).when(broker).replicaManager();
        Mockito.doReturn(logs).when(broker).logManager();
        Mockito.doReturn(Cluster.ID).when(broker).clusterId();
        BrokerLifecycleManager lifecycle = Mockito.mock(BrokerLifecycleManager.class, Stand::refused);
        Mockito.doReturn(CompletableFuture.completedFuture(null)).when(lifecycle).initialUnfenceFuture();
        Mockito.doReturn(lifecycle).when(broker).lifecycleManager();
        Mockito.doAnswer(does(() -> cluster.stopBroker(id))).when(broker).shutdown();
        Mockito.doAnswer(does(() -> cluster.stopBroker(id))).when(broker).shutdown(Mockito.any());
        Mockito.doNothing().when(broker).awaitShutdown();
        Mockito.doAnswer(does(() -> cluster.startBroker(id))).when(broker).startup();
        return broker;
    }

    /** What a test config of this broker would be. */
    public static KafkaConfig config(int id, Map<String, String> settings) {
        Properties all = new Properties();
        all.putAll(Map.of("node.id", "" + id, "process.roles", "broker", "controller.quorum.voters", "3000@localhost:1",
            "controller.listener.names", "CONTROLLER", "listeners", "PLAINTEXT://localhost:0"));
        all.putAll(settings);
        return KafkaConfig.fromProps(all);
    }

    private static Answer<Void> does(Runnable deed) {
        return call -> {
            deed.run();
            return null;
        };
    }

    static Object refused(InvocationOnMock call) {
        if (call.getMethod().getDeclaringClass() == Object.class) {
            return "a broker of ours";
        }
        throw new UnsupportedOperationException("it looks inside of a broker: " + call.getMethod());
    }

    private static KRaftMetadataCache cache(Cluster cluster, int id) {
        return Mockito.mock(KRaftMetadataCache.class, call -> switch (call.getMethod().getName()) {
            case "contains" -> Replicas.topic(cluster, id, call.getArgument(0)).isPresent();
            case "numPartitions" -> {
                if ("__consumer_offsets".equals(call.getArgument(0))) {
                    // Answered once a coordinator has loaded its part, for tests that ask it only once.
                    cluster.with(admin -> admin.listConsumerGroupOffsets("any").all().get());
                    Cluster.await("a broker knows the topic of offsets", () -> Replicas.isKnown(cluster, id, "__consumer_offsets"));
                }
                yield Replicas.topic(cluster, id, call.getArgument(0)).map(topic -> topic.partitions().size());
            }
            case "getAllTopics" -> cluster.with(admin -> admin.listTopics().names().get());
            case "getTopicId" -> Replicas.topic(cluster, id, call.getArgument(0)).map(MetadataResponseTopic::topicId).orElse(Uuid.ZERO_UUID);
            case "getPartitionLeaderEndpoint" -> partition(cluster, id, call).flatMap(told -> node(cluster, told.leaderId()));
            case "hasAliveBroker" -> cluster.isAlive(call.getArgument(0));
            case "getLeaderAndIsr" -> partition(cluster, id, call).map(told -> new LeaderAndIsr(
                told.leaderId(), told.leaderEpoch(), told.isrNodes(), LeaderRecoveryState.RECOVERED, UNKNOWN_EPOCH));
            default -> refused(call);
        });
    }

    /** What a broker says of the partition whose topic and number are the arguments of a call. */
    private static Optional<MetadataResponsePartition> partition(Cluster cluster, int id, InvocationOnMock call) {
        int number = call.getArgument(1);
        return Replicas.topic(cluster, id, call.getArgument(0)).stream().flatMap(topic -> topic.partitions().stream())
            .filter(told -> told.partitionIndex() == number).findFirst();
    }

    private static Optional<Node> node(Cluster cluster, int id) {
        return cluster.with(admin -> admin.describeCluster().nodes().get()).stream().filter(node -> node.id() == id).findFirst();
    }
}
