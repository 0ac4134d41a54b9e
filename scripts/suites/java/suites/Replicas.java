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
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.message.MetadataResponseData.MetadataResponsePartition;
import org.apache.kafka.common.message.MetadataResponseData.MetadataResponseTopic;
import org.apache.kafka.common.requests.AbstractRequest;
import org.apache.kafka.common.requests.AbstractResponse;
import org.apache.kafka.common.requests.FetchRequest;
import org.apache.kafka.common.requests.FetchResponse;
import org.apache.kafka.common.requests.MetadataRequest;
import org.apache.kafka.common.requests.MetadataResponse;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.mockito.Mockito;
import scala.Option;

/**
 * What stands in for the replicas of a broker: who leads them, at which epoch, and where their logs begin and end. Every answer is that broker's
 * own, by the protocol of clients: what a follower has it is asked by fetches, which a follower serves who names a rack.
 */
public final class Replicas {
    /** The last version of Fetch that names topics, and not their ids. */
    private static final short NAMES_TOPICS = 12;
    private static final long UNKNOWN = -1;

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
        return new Replicas(cluster, id).topic(topic)
            .filter(told -> told.partitions().stream().allMatch(partition -> partition.leaderId() >= 0)).isPresent();
    }

    /** What a broker says of a topic; nothing if it does not run or does not know it. */
    static Optional<MetadataResponseTopic> topic(Cluster cluster, int id, String topic) {
        return new Replicas(cluster, id).topic(topic);
    }

    private Option<UnifiedLog> log(TopicPartition partition) {
        return Option.apply(told(partition).map(told -> logOf(partition)).orElse(null));
    }

    private UnifiedLog logOf(TopicPartition partition) {
        UnifiedLog log = Mockito.mock(UnifiedLog.class, Stand::refused);
        Mockito.doAnswer(call -> near(partition).map(FetchResponseData.PartitionData::logStartOffset).orElse(UNKNOWN)).when(log).logStartOffset();
        Mockito.doAnswer(call -> near(partition).map(FetchResponseData.PartitionData::highWatermark).orElse(UNKNOWN)).when(log).highWatermark();
        Mockito.doAnswer(call -> end(partition)).when(log).logEndOffset();
        return log;
    }

    /** What this replica says to a fetch from where its leader's log begins; nothing while it has not come so far. */
    private Optional<FetchResponseData.PartitionData> near(TopicPartition partition) {
        return fetched(partition, cluster.with(
            admin -> admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition).get().offset()));
    }

    /** Where this replica's log ends: the last offset of which it does not say that it is out of its range. */
    private long end(TopicPartition partition) {
        long end = near(partition).map(FetchResponseData.PartitionData::highWatermark).orElse(UNKNOWN);
        while (end != UNKNOWN && fetched(partition, end + 1).isPresent()) {
            end++;
        }
        return end;
    }

    /** What this replica answers to a fetch from this offset; nothing if it refuses. */
    private Optional<FetchResponseData.PartitionData> fetched(TopicPartition partition, long offset) {
        var wanted = Map.of(partition, new FetchRequest.PartitionData(Uuid.ZERO_UUID, offset, FetchRequest.INVALID_LOG_START_OFFSET, 1, Optional.empty()));
        FetchRequest request = FetchRequest.Builder.forConsumer(NAMES_TOPICS, 0, 0, wanted).rackId("suite").build();
        FetchResponse answer = (FetchResponse) asked(request);
        return answer.data().responses().stream().flatMap(topic -> topic.partitions().stream()).filter(told -> told.errorCode() == 0).findFirst();
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
        return topic(partition.topic()).flatMap(topic -> topic.partitions().stream()
            .filter(told -> told.partitionIndex() == partition.partition() && told.replicaNodes().contains(id)).findFirst());
    }

    private Optional<MetadataResponseTopic> topic(String topic) {
        if (!cluster.isAlive(id)) {
            return Optional.empty();
        }
        MetadataResponse answer = (MetadataResponse) asked(new MetadataRequest.Builder(List.of(topic), false).build());
        return answer.data().topics().stream().filter(told -> told.errorCode() == 0).findFirst();
    }

    private AbstractResponse asked(AbstractRequest request) {
        RequestHeader header = new RequestHeader(request.apiKey(), request.version(), "suite", 0);
        try (Socket socket = new Socket("localhost", cluster.port(id))) {
            ByteBuffer asked = request.serializeWithHeader(header);
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            out.writeInt(asked.remaining());
            out.write(asked.array(), asked.arrayOffset() + asked.position(), asked.remaining());
            DataInputStream in = new DataInputStream(socket.getInputStream());
            ByteBuffer answer = ByteBuffer.wrap(in.readNBytes(in.readInt()));
            return AbstractResponse.parseResponse(answer, header);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
