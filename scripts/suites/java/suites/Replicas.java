package suites;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import kafka.cluster.Partition;
import kafka.log.LogManager;
import kafka.server.ReplicaManager;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.message.MetadataResponseData.MetadataResponsePartition;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.requests.AbstractResponse;
import org.apache.kafka.common.requests.MetadataRequest;
import org.apache.kafka.common.requests.MetadataResponse;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.mockito.Mockito;
import scala.Option;

/** What stands in for the replicas of a broker: who leads them, at which epoch, and where their logs begin and end for clients. */
public final class Replicas {
    private final Cluster cluster;
    private final int id;

    private Replicas(Cluster cluster, int id) {
        this.cluster = cluster;
        this.id = id;
    }

    /** Those of a broker of the cluster. */
    static ReplicaManager of(Cluster cluster, int id) {
        Replicas replicas = new Replicas(cluster, id);
        LogManager logs = Mockito.mock(LogManager.class, Stand::refused);
        Mockito.doAnswer(call -> replicas.log(call.getArgument(0))).when(logs).getLog(Mockito.any(), Mockito.anyBoolean());
        Mockito.doReturn(false).when(logs).getLog$default$2();
        ReplicaManager manager = Mockito.mock(ReplicaManager.class, Stand::refused);
        Mockito.doReturn(logs).when(manager).logManager();
        Mockito.doAnswer(call -> replicas.log(call.getArgument(0))).when(manager).localLog(Mockito.any());
        Mockito.doAnswer(call -> Option.apply(replicas.partition(call.getArgument(0)).orElse(null))).when(manager).onlinePartition(Mockito.any());
        return manager;
    }

    /** Whether a broker knows this topic, with leaders of all its partitions. */
    public static boolean isKnown(Cluster cluster, int id, String topic) {
        return new Replicas(cluster, id).metadata(topic).data().topics().stream().allMatch(
            told -> told.errorCode() == 0 && told.partitions().stream().allMatch(partition -> partition.leaderId() >= 0));
    }

    private Option<UnifiedLog> log(TopicPartition partition) {
        return Option.apply(told(partition).map(told -> logOf(partition)).orElse(null));
    }

    private UnifiedLog logOf(TopicPartition partition) {
        UnifiedLog log = Mockito.mock(UnifiedLog.class, Stand::refused);
        Mockito.doAnswer(call -> offset(partition, OffsetSpec.earliest())).when(log).logStartOffset();
        Mockito.doAnswer(call -> offset(partition, OffsetSpec.latest())).when(log).logEndOffset();
        Mockito.doAnswer(call -> offset(partition, OffsetSpec.latest())).when(log).highWatermark();
        return log;
    }

    private long offset(TopicPartition partition, OffsetSpec which) {
        return cluster.with(admin -> admin.listOffsets(Map.of(partition, which)).partitionResult(partition).get().offset());
    }

    private Optional<Partition> partition(TopicPartition partition) {
        return told(partition).map(told -> {
            Partition stand = Mockito.mock(Partition.class, Stand::refused);
            boolean leads = told.leaderId() == id;
            Mockito.doReturn(told.leaderEpoch()).when(stand).getLeaderEpoch();
            Mockito.doReturn(leads).when(stand).isLeader();
            Mockito.doReturn(Option.apply(told.leaderId() < 0 ? null : told.leaderId())).when(stand).leaderReplicaIdOpt();
            Mockito.doReturn(Option.apply(leads ? logOf(partition) : null)).when(stand).leaderLogIfLocal();
            return stand;
        });
    }

    /** What the broker says of a partition, if it is alive and has a replica of it. */
    private Optional<MetadataResponsePartition> told(TopicPartition partition) {
        if (!cluster.isAlive(id)) {
            return Optional.empty();
        }
        return metadata(partition.topic()).data().topics().stream().flatMap(topic -> topic.partitions().stream())
            .filter(told -> told.partitionIndex() == partition.partition() && told.replicaNodes().contains(id)).findFirst();
    }

    private MetadataResponse metadata(String topic) {
        MetadataRequest request = new MetadataRequest.Builder(List.of(topic), false).build();
        RequestHeader header = new RequestHeader(ApiKeys.METADATA, request.version(), "suite", 0);
        try (Socket socket = new Socket("localhost", cluster.port(id))) {
            ByteBuffer asked = request.serializeWithHeader(header);
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            out.writeInt(asked.remaining());
            out.write(asked.array(), asked.arrayOffset() + asked.position(), asked.remaining());
            DataInputStream in = new DataInputStream(socket.getInputStream());
            ByteBuffer answer = ByteBuffer.wrap(in.readNBytes(in.readInt()));
            return (MetadataResponse) AbstractResponse.parseResponse(answer, header);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
