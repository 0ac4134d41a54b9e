package suites;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.URLConnection;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.common.config.ConfigResource;

/** One metadata node and some brokers, as processes of the binary that the property `dmq` names, with their data in a directory of their own. */
public final class Cluster implements AutoCloseable {
    /** Settings that are the same for all brokers, so that the controllers keep them. */
    private static final Set<String> CLUSTER_WIDE = Set.of("min.insync.replicas", "unclean.leader.election.enable",
            "group.consumer.min.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms",
            "group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms");

    /** Settings that say where a broker is and what it is, which is ours to choose. */
    private static final Set<String> OURS = Set.of("node.id", "broker.id", "advertised.listeners", "log.dirs", "broker.rack");

    /**
     * Settings of Kafka that have no effect here: of its processes, threads and connections, of which no test that passes makes anything. A test with any
     * other that our brokers do not have fails, as it would not test what it means to.
     */
    private static final Set<String> WITHOUT_EFFECT = Set.of("auto.leader.rebalance.enable", "background.threads", "broker.heartbeat.interval.ms",
            "broker.session.timeout.ms", "controlled.shutdown.enable", "controller.listener.names", "controller.quorum.voters",
            "controller.socket.timeout.ms", "delete.topic.enable", "inter.broker.listener.name", "listener.security.protocol.map", "listeners",
            "log.dir", "log.initial.task.delay.ms", "metadata.log.dir", "num.network.threads", "process.roles", "replica.fetch.backoff.ms",
            "replica.fetch.max.bytes", "replica.selector.class", "replica.socket.timeout.ms", "security.inter.broker.protocol",
            "server.max.startup.time.ms", "ssl.truststore.password", "unclean.leader.election.interval.ms", "unstable.api.versions.enable",
            "unstable.feature.versions.enable");

    /** The id of the cluster, of the length that Kafka's tests look for. */
    public static final String ID = "suite-of-kafka-s-tests";

    /** The id of the metadata node, which Kafka's tests would give to their first controller. */
    public static final int METADATA_NODE = 3000;

    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int FIRST_PORT = 12_000;
    private static final int PORTS_OF_SLOT = 4_000;
    private static final int SLOT = Integer.getInteger("slot", 0);
    private static int nextPort;
    private static Set<String> known;

    private final Path dir;
    private final TreeMap<Integer, Integer> ports = new TreeMap<>();
    private final Map<Integer, Integer> restPorts = new HashMap<>();
    private final Map<Integer, Map<String, String>> settings = new HashMap<>();
    private final Map<Integer, Process> processes = new HashMap<>();
    private final Thread atExit = new Thread(this::killAll);
    private Process metadata;

    /** A cluster of these brokers, with their settings. */
    public Cluster(Map<Integer, Map<String, String>> brokers) {
        try {
            dir = Files.createTempDirectory("suite-cluster");
            List<Integer> free = freePorts(1 + 2 * brokers.size());
            String node = "{\"id\":%d,\"host\":\"127.0.0.1\",\"port\":%d,\"url\":\"http://127.0.0.1:%d\",\"database\":\"sqlite:metadata/raft.db\"}"
                .formatted(METADATA_NODE, free.get(0), free.get(0));
            List<String> services = new ArrayList<>();
            int next = 1;
            for (int id : brokers.keySet()) {
                int rest = free.get(next++), kafka = free.get(next++);
                restPorts.put(id, rest);
                String rack = brokers.get(id).get("broker.rack");
                services.add("{\"id\":%d,\"host\":\"localhost\",\"port\":%d,\"url\":\"http://localhost:%d\",\"kafkaPort\":%d,\"dataDir\":\"broker-%d\"%s}"
                    .formatted(id, rest, rest, kafka, id, rack == null ? "" : ",\"rack\":\"" + rack + "\""));
                ports.put(id, kafka);
                settings.put(id, brokers.get(id));
            }
            Files.writeString(dir.resolve("services.json"), "{\"clusterId\":\"%s\",\"services\":{\"metadata-services\":[%s],\"storage-services\":[%s]}}"
                .formatted(ID, node, String.join(",", services)));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** Starts everything, and waits until the brokers are there. */
    public void start() {
        // Some tests of tools end the whole process.
        Runtime.getRuntime().addShutdownHook(atExit);
        metadata = run("metadata-node", List.of("metadata-node", "--id", "" + METADATA_NODE), Map.of());
        ports.keySet().forEach(this::launch);
        awaitAll();
        Map<String, String> all = settings.values().iterator().next();
        List<AlterConfigOp> kept = all.entrySet().stream().filter(entry -> CLUSTER_WIDE.contains(entry.getKey()))
            .map(entry -> new AlterConfigOp(new ConfigEntry(entry.getKey(), entry.getValue()), AlterConfigOp.OpType.SET)).toList();
        if (!kept.isEmpty()) {
            with(admin -> admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.BROKER, ""), kept)).all().get());
        }
    }

    /** Starts a broker that was stopped. */
    public void startBroker(int id) {
        launch(id);
        awaitAll();
    }

    /** Stops a broker as an operator would, and waits for its end. One that does not run stays so. */
    public void stopBroker(int id) {
        Process process = processes.remove(id);
        if (process != null) {
            end(process);
        }
    }

    /** What clients are told. */
    public String bootstrap() {
        return ports.values().stream().map(port -> "localhost:" + port).collect(Collectors.joining(","));
    }

    /** Where a broker listens. */
    public int port(int id) {
        return ports.get(id);
    }

    /** Ids of all brokers. */
    public Collection<Integer> ids() {
        return ports.keySet();
    }

    /** Whether its process runs. */
    public boolean isAlive(int id) {
        return processes.containsKey(id) && processes.get(id).isAlive();
    }

    /** What an administrator does. */
    public interface Deed<T> {
        /** Does it. */
        T with(Admin admin) throws Exception;
    }

    /** Does something as an administrator. */
    public <T> T with(Deed<T> deed) {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap(), "reconnect.backoff.ms", "10", "retry.backoff.ms", "10"))) {
            return deed.with(admin);
        } catch (RuntimeException error) {
            throw error;
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    /** How many requests of Kafka's protocol the brokers that run have answered since they started. */
    public long answered() {
        return processes.keySet().stream().filter(this::isAlive).mapToLong(this::answered).sum();
    }

    private long answered(int id) {
        try {
            URLConnection metrics = URI.create("http://localhost:%d/metrics".formatted(restPorts.get(id))).toURL().openConnection();
            // A connection that is kept has a thread that is kept, which the tests look for.
            metrics.setRequestProperty("Connection", "close");
            InputStream body = metrics.getInputStream();
            return new String(body.readAllBytes(), StandardCharsets.UTF_8).lines()
                .filter(line -> line.startsWith("dmq_request_duration_seconds_count{"))
                .mapToLong(line -> (long) Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1))).sum();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** Ends it. An error if one of its processes ended by itself or panicked before, whatever the test saw of it. */
    @Override
    public void close() {
        List<Integer> lost = processes.keySet().stream().filter(id -> !isAlive(id)).toList();
        boolean isNodeLost = metadata != null && !metadata.isAlive();
        killAll();
        Runtime.getRuntime().removeShutdownHook(atExit);
        try (Stream<Path> files = Files.walk(dir)) {
            List<Path> all = files.sorted(Comparator.reverseOrder()).toList();
            List<String> panics = new ArrayList<>();
            for (Path log : all.stream().filter(file -> file.toString().endsWith(".log") && file.getParent().equals(dir)).toList()) {
                Files.readAllLines(log).stream().filter(line -> line.contains("event=\"panic\"")).forEach(panics::add);
            }
            all.forEach(file -> file.toFile().delete());
            if (!lost.isEmpty() || isNodeLost || !panics.isEmpty()) {
                throw new IllegalStateException("brokers that ended by themselves: %s; the metadata node: %s; panics: %s".formatted(lost, isNodeLost, panics));
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** Waits until something holds. */
    public static void await(String what, BooleanSupplier holds) {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!holds.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("never: " + what);
            }
            try {
                Thread.sleep(10);
            } catch (InterruptedException error) {
                throw new IllegalStateException(error);
            }
        }
    }

    private void killAll() {
        processes.values().forEach(Process::destroyForcibly);
        processes.clear();
        if (metadata != null) {
            metadata.destroyForcibly();
        }
    }

    private void launch(int id) {
        Map<String, String> own = new TreeMap<>(settings.get(id));
        own.keySet().removeAll(CLUSTER_WIDE);
        own.keySet().removeAll(OURS);
        own.keySet().removeAll(WITHOUT_EFFECT);
        // One of Kafka's tests takes the description of a setting for its name.
        own.keySet().removeIf(name -> name.contains(" "));
        // Settings are separated by commas, so that a value has none.
        List<String> unknown = own.isEmpty() ? List.of()
            : own.entrySet().stream().filter(it -> !known().contains(it.getKey()) || it.getValue().contains(",")).map(Map.Entry::toString).toList();
        if (!unknown.isEmpty()) {
            throw new IllegalStateException("brokers of ours cannot be set to " + unknown);
        }
        String set = own.entrySet().stream().map(entry -> entry.getKey() + "=" + entry.getValue()).collect(Collectors.joining(","));
        processes.put(id, run("broker-" + id, List.of("broker", "--id", "" + id), set.isEmpty() ? Map.of() : Map.of("DMQ_SET", set)));
    }

    private Process run(String name, List<String> arguments, Map<String, String> environment) {
        List<String> command = new ArrayList<>(List.of(System.getProperty("dmq")));
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command).directory(dir.toFile()).redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(dir.resolve(name + ".log").toFile()));
        builder.environment().putAll(environment);
        try {
            return builder.start();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static void end(Process process) {
        process.destroy();
        try {
            if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                throw new IllegalStateException("a broker did not end");
            }
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Until every broker whose process runs is a node of the cluster. */
    private void awaitAll() {
        with(admin -> {
            await("the brokers " + processes.keySet() + " are there", () -> {
                for (int id : processes.keySet()) {
                    if (!isAlive(id)) {
                        throw new IllegalStateException(said(id));
                    }
                }
                return nodes(admin).equals(processes.keySet());
            });
            return null;
        });
    }

    private String said(int id) {
        try {
            return Files.readString(dir.resolve("broker-" + id + ".log"));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static Set<Integer> nodes(Admin admin) {
        try {
            DescribeClusterOptions soon = new DescribeClusterOptions().timeoutMs(2000);
            return admin.describeCluster(soon).nodes().get().stream().map(node -> node.id()).collect(Collectors.toSet());
        } catch (ExecutionException | InterruptedException notYet) {
            return Set.of();
        }
    }

    /** The settings that our brokers have, which are asked for once and kept in the file that the property `known` names. */
    private static synchronized Set<String> known() {
        Path kept = Path.of(System.getProperty("known"));
        try {
            if (known == null && Files.exists(kept)) {
                known = Set.copyOf(Files.readAllLines(kept));
            }
            if (known == null) {
                known = describedSettings();
                Files.move(Files.write(Files.createTempFile(kept.getParent(), "known", ""), known), kept, StandardCopyOption.ATOMIC_MOVE);
            }
            return known;
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static Set<String> describedSettings() {
        try (Cluster cluster = new Cluster(Map.of(0, Map.of()))) {
            cluster.start();
            ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "0");
            return cluster.with(admin -> admin.describeConfigs(List.of(broker)).all().get().get(broker).entries().stream()
                .map(ConfigEntry::name).collect(Collectors.toSet()));
        }
    }

    /**
     * Ports below those that the system gives to whoever wants any: nobody takes one between now and the start of the process. Each of the
     * processes that run tests beside each other has its own.
     */
    private static synchronized List<Integer> freePorts(int count) throws IOException {
        List<Integer> free = new ArrayList<>();
        while (free.size() < count) {
            int port = FIRST_PORT + SLOT * PORTS_OF_SLOT + nextPort++ % PORTS_OF_SLOT;
            try (ServerSocket socket = new ServerSocket(port)) {
                free.add(socket.getLocalPort());
            } catch (BindException taken) {
                // The next one, then.
            }
        }
        return free;
    }
}
