import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.coordinator.group.generated.*;

/**
 * Writes crates/kafka-wire/tests/golden/group-records.txt: records of __consumer_offsets as Apache Kafka's own classes encode
 * them. Each line is `Name version key value`, both in hex.
 *
 *     cargo xtask kafka-messages --check        (fetches the jars into target)
 *     java -cp "target/kafka-clients/*" scripts/GroupRecordGoldens.java > crates/kafka-wire/tests/golden/group-records.txt
 */
public class GroupRecordGoldens {
    static final Uuid TOPIC = new Uuid(0x0123456789abcdefL, 0x7edcba9876543210L);

    static String hex(ByteBuffer bytes) {
        byte[] all = new byte[bytes.remaining()];
        bytes.duplicate().get(all);
        return HexFormat.of().formatHex(all);
    }

    static void print(ApiMessage key, ApiMessage value) {
        for (short version = value.lowestSupportedVersion(); version <= value.highestSupportedVersion(); version++) {
            String name = value.getClass().getSimpleName().replaceAll("Value$", "");
            String keyBytes = hex(ByteBuffer.wrap(MessageUtil.toCoordinatorTypePrefixedBytes(key)));
            System.out.println(name + " " + version + " " + keyBytes + " " + hex(ByteBuffer.wrap(MessageUtil.toVersionPrefixedBytes(version, value))));
        }
    }

    static GroupMetadataValue.MemberMetadata member(String id, String instance) {
        return new GroupMetadataValue.MemberMetadata().setMemberId(id).setGroupInstanceId(instance).setClientId("client")
            .setClientHost("/127.0.0.1").setRebalanceTimeout(300_000).setSessionTimeout(45_000)
            .setSubscription(new byte[] {0, 1, 2}).setAssignment(new byte[] {});
    }

    static ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions owned(List<Integer> epochs) {
        return new ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions().setTopicId(TOPIC).setPartitions(List.of(0, 7))
            .setAssignmentEpochs(epochs);
    }

    static ConsumerGroupMemberMetadataValue consumer() {
        return new ConsumerGroupMemberMetadataValue().setClientId("client").setClientHost("/10.0.0.1")
            .setSubscribedTopicNames(List.of("orders", "größe"));
    }

    public static void main(String[] args) {
        print(new LegacyOffsetCommitKey().setGroup("g").setTopic("orders").setPartition(3),
            new LegacyOffsetCommitValue().setOffset(42).setMetadata("m").setCommitTimestamp(1_700_000_000_123L));
        OffsetCommitKey offset = new OffsetCommitKey().setGroup("größe").setTopic("orders").setPartition(3);
        print(offset, new OffsetCommitValue().setOffset(1L << 40).setLeaderEpoch(9).setMetadata("").setCommitTimestamp(1_700_000_000_123L));
        print(offset, new OffsetCommitValue().setOffset(0).setMetadata("x".repeat(200)).setCommitTimestamp(1).setExpireTimestamp(2).setTopicId(TOPIC));
        GroupMetadataKey group = new GroupMetadataKey().setGroup("g");
        print(group, new GroupMetadataValue().setProtocolType("consumer").setGeneration(7).setProtocol("range").setLeader("a")
            .setCurrentStateTimestamp(1_700_000_000_123L).setMembers(List.of(member("a", null), member("b", "static"))));
        print(group, new GroupMetadataValue().setProtocolType("").setGeneration(0).setProtocol(null).setLeader(null).setMembers(List.of()));
        print(new ConsumerGroupMetadataKey().setGroupId("g"), new ConsumerGroupMetadataValue().setEpoch(5));
        print(new ConsumerGroupMetadataKey().setGroupId("g"), new ConsumerGroupMetadataValue().setEpoch(6).setMetadataHash(-7));
        print(new ConsumerGroupPartitionMetadataKey().setGroupId("g"), new ConsumerGroupPartitionMetadataValue().setTopics(List.of(
            new ConsumerGroupPartitionMetadataValue.TopicMetadata().setTopicId(TOPIC).setTopicName("orders").setNumPartitions(12)
                .setPartitionMetadata(List.of(new ConsumerGroupPartitionMetadataValue.PartitionMetadata().setPartition(1).setRacks(List.of("a")))))));
        ConsumerGroupMemberMetadataKey member = new ConsumerGroupMemberMetadataKey().setGroupId("g").setMemberId("m");
        print(member, consumer());
        print(member, consumer().setClassicMemberMetadata(null));
        print(member, consumer().setInstanceId("i").setRackId("r").setSubscribedTopicNames(List.of()).setSubscribedTopicRegex("a.*")
            .setRebalanceTimeoutMs(1000).setServerAssignor("uniform").setClassicMemberMetadata(
                new ConsumerGroupMemberMetadataValue.ClassicMemberMetadata().setSessionTimeoutMs(10_000).setSupportedProtocols(List.of(
                    new ConsumerGroupMemberMetadataValue.ClassicProtocol().setName("range").setMetadata(new byte[] {1})))));
        ConsumerGroupTargetAssignmentMetadataKey target = new ConsumerGroupTargetAssignmentMetadataKey().setGroupId("g");
        print(target, new ConsumerGroupTargetAssignmentMetadataValue().setAssignmentEpoch(5));
        print(target, new ConsumerGroupTargetAssignmentMetadataValue().setAssignmentEpoch(5).setAssignmentTimestamp(1_700_000_000_123L));
        print(new ConsumerGroupTargetAssignmentMemberKey().setGroupId("g").setMemberId("m"), new ConsumerGroupTargetAssignmentMemberValue()
            .setTopicPartitions(List.of(new ConsumerGroupTargetAssignmentMemberValue.TopicPartition().setTopicId(TOPIC).setPartitions(List.of(0, 7)))));
        print(new ConsumerGroupCurrentMemberAssignmentKey().setGroupId("g").setMemberId("m"), new ConsumerGroupCurrentMemberAssignmentValue()
            .setMemberEpoch(5).setPreviousMemberEpoch(4).setState((byte) 1).setAssignedPartitions(List.of(owned(null)))
            .setPartitionsPendingRevocation(List.of(owned(List.of(3, 4)))));
        print(new ConsumerGroupRegularExpressionKey().setGroupId("g").setRegularExpression("a.*"), new ConsumerGroupRegularExpressionValue()
            .setTopics(List.of("ab", "ac")).setVersion(77).setTimestamp(1_700_000_000_123L));
    }
}
