package org.apache.kafka.common.test.junit;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import kafka.network.SocketServer;
import kafka.server.ControllerServer;
import kafka.server.KafkaBroker;
import org.apache.kafka.clients.consumer.GroupProtocol;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.network.ListenerName;
import org.apache.kafka.common.test.ClusterInstance;
import org.apache.kafka.common.test.TestUtils;
import org.apache.kafka.common.test.api.ClusterConfig;
import org.apache.kafka.common.test.api.Type;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.server.fault.FaultHandlerException;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.extension.AfterTestExecutionCallback;
import org.junit.jupiter.api.extension.BeforeTestExecutionCallback;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.Extension;
import org.junit.jupiter.api.extension.TestTemplateInvocationContext;
import suites.Cluster;
import suites.Stand;

/**
 * Stands before Kafka's class of this name on the class path, which starts a cluster of Kafka for each `@ClusterTest`: this starts one of ours.
 */
public class RaftClusterInvocationContext implements TestTemplateInvocationContext {
    private final String name;
    private final ClusterConfig config;
    private final boolean isCombined;

    /** Called by ClusterTestExtensions. */
    public RaftClusterInvocationContext(String name, ClusterConfig config, boolean isCombined) {
        this.name = name;
        this.config = config;
        this.isCombined = isCombined;
    }

    @Override
    public String getDisplayName(int index) {
        String tags = config.displayTags().stream().sorted().collect(Collectors.joining(","));
        return "%s %s%s%s".formatted(name, isCombined ? "combined" : "isolated", tags.isEmpty() ? "" : " ", tags);
    }

    @Override
    public List<Extension> getAdditionalExtensions() {
        Ours ours = new Ours(config);
        if (isCombined && config.clusterTypes().contains(Type.KRAFT)) {
            ExecutionCondition never = context -> ConditionEvaluationResult.disabled("left out: brokers and controllers are never one process here, so it is the same test again");
            return List.of(never, new ClusterInstanceParameterResolver(ours));
        }
        BeforeTestExecutionCallback before = context -> {
            // What ends the process for a user ends the test, unless it says otherwise.
            Exit.setExitProcedure((status, message) -> {
                throw new IllegalStateException("the command ended with status %d: %s".formatted(status, message));
            });
            if (config.isAutoStart()) {
                ours.start();
            }
        };
        AfterTestExecutionCallback after = context -> {
            boolean isIdle = ours.isIdle() && context.getExecutionException().isEmpty();
            ours.stop();
            // It would pass without any cluster.
            Assumptions.assumeFalse(isIdle, "it asks no broker anything");
        };
        return List.of(before, after, new ClusterInstanceParameterResolver(ours));
    }

    /** A cluster of ours, as tests see it. */
    private static final class Ours implements ClusterInstance {
        private final ClusterConfig config;
        private final Map<Integer, KafkaBroker> brokers = new TreeMap<>();
        private Cluster cluster;
        private long answeredBefore;
        private boolean stopped;

        Ours(ClusterConfig config) {
            this.config = config;
        }

        @Override
        public void start() {
            Map<Integer, Map<String, String>> all = new TreeMap<>();
            IntStream.range(0, config.numBrokers()).forEach(id -> {
                Map<String, String> settings = new HashMap<>(config.serverProperties());
                settings.putAll(config.perServerOverrideProperties().getOrDefault(id, Map.of()));
                all.put(id, settings);
            });
            cluster = new Cluster(all);
            cluster.start();
            all.forEach((id, settings) -> brokers.put(id, Stand.in(cluster, id, Stand.config(id, settings))));
            answeredBefore = cluster.answered();
        }

        /** Whether no broker was asked anything since the start. */
        boolean isIdle() {
            return cluster == null || !stopped && cluster.answered() == answeredBefore;
        }

        @Override
        public boolean started() {
            return cluster != null;
        }

        @Override
        public void stop() {
            if (cluster != null && !stopped) {
                cluster.close();
            }
            stopped = true;
        }

        @Override
        public boolean stopped() {
            return stopped;
        }

        @Override
        public Type type() {
            return Type.KRAFT;
        }

        @Override
        public ClusterConfig config() {
            return config;
        }

        @Override
        public Map<Integer, KafkaBroker> brokers() {
            return brokers;
        }

        @Override
        public Map<Integer, KafkaBroker> aliveBrokers() {
            return brokers.entrySet().stream().filter(entry -> cluster.isAlive(entry.getKey()))
                .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
        }

        @Override
        public Set<GroupProtocol> supportedGroupProtocols() {
            return Set.of(GroupProtocol.CLASSIC, GroupProtocol.CONSUMER);
        }

        @Override
        public String bootstrapServers() {
            return cluster.bootstrap();
        }

        @Override
        public String clusterId() {
            return cluster.with(admin -> admin.describeCluster().clusterId().get());
        }

        @Override
        public ListenerName clientListener() {
            return config.brokerListenerName();
        }

        @Override
        public void shutdownBroker(int id) {
            cluster.stopBroker(id);
        }

        @Override
        public void startBroker(int id) {
            cluster.startBroker(id);
        }

        @Override
        public void waitForReadyBrokers() {
            // They are, once they have started.
        }

        @Override
        public void waitForTopic(String topic, int partitions) throws InterruptedException {
            TestUtils.waitForCondition(() -> partitions(topic) == partitions, topic + " has not " + partitions + " partitions");
        }

        @Override
        public void waitTopicDeletion(String topic) throws InterruptedException {
            waitForTopic(topic, 0);
        }

        private int partitions(String topic) {
            return cluster.with(admin -> {
                try {
                    return (int) admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().stream()
                        .filter(partition -> partition.leader() != null || partition.replicas().stream().allMatch(Node::isEmpty)).count();
                } catch (ExecutionException unknown) {
                    return 0;
                }
            });
        }

        @Override
        public Optional<FaultHandlerException> firstFatalException() {
            return Optional.empty();
        }

        @Override
        public Optional<FaultHandlerException> firstNonFatalException() {
            return Optional.empty();
        }

        @Override
        public Set<Integer> controllerIds() {
            return Set.of(Cluster.METADATA_NODE);
        }

        // Controllers of ours do not speak Kafka's protocol.

        @Override
        public Map<Integer, ControllerServer> controllers() {
            return Map.of();
        }

        @Override
        public ListenerName controllerListenerName() {
            return config.controllerListenerName();
        }

        @Override
        public String bootstrapControllers() {
            throw new UnsupportedOperationException("controllers of ours do not speak Kafka's protocol");
        }

        @Override
        public Collection<SocketServer> controllerSocketServers() {
            return List.of();
        }
    }
}
