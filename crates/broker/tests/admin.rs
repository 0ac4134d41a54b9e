//! What administrators change and see over the Kafka protocol: settings of topics and brokers, partitions on chosen brokers,
//! features, producers.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic like the tests"
)]

mod support;

use broker::broker_config::BrokerConfig;
use bytes::Bytes;
use commit_log::{
    ProducerId, ProducerStamp,
    batch::{Batch, BatchBuilder, Compression},
};
use common::{MetadataVersion, Offset};
use kafka_client::{Address, Connection, ConnectionOptions};
use kafka_wire::{
    ErrorCode, Records, Request,
    messages::{
        AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest, ApiVersionsRequest,
        CreateAclsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteAclsRequest,
        DeleteTopicsRequest, DescribeAclsRequest, DescribeClusterRequest, DescribeConfigsRequest,
        DescribeLogDirsRequest, DescribeProducersRequest, ElectLeadersRequest, FetchRequest,
        IncrementalAlterConfigsRequest, ListConfigResourcesRequest, MetadataRequest, ProduceRequest,
        UnregisterBrokerRequest, UpdateFeaturesRequest,
        alter_partition_reassignments::{ReassignablePartition, ReassignableTopic},
        alter_replica_log_dirs::{AlterReplicaLogDir, AlterReplicaLogDirTopic},
        create_acls::AclCreation,
        create_partitions::{CreatePartitionsAssignment, CreatePartitionsTopic},
        create_topics::{CreatableTopic, CreatableTopicConfig},
        delete_acls::DeleteAclsFilter,
        delete_topics::DeleteTopicState,
        describe_configs::{DescribeConfigsResource, DescribeConfigsResourceResult},
        describe_producers::TopicRequest,
        elect_leaders::{ReplicaElectionResult, TopicPartitions},
        fetch::{FetchPartition, FetchTopic},
        incremental_alter_configs::{AlterConfigsResource, AlterableConfig},
        produce::{PartitionProduceData, PartitionProduceResponse, TopicProduceData},
        update_features::FeatureUpdateKey,
    },
};
use metadata_core::{Command, Event, command::GROUP_CONFIGS_LEVEL};
use support::{BrokerFixture, Quorum, eventually};
use tempfile::TempDir;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;

/// `AlterConfigOp.OpType`.
const SET: i8 = 0;
const DELETE: i8 = 1;

/// A broker 101 with one topic `orders`, and a connection to it.
struct Stage {
    broker: BrokerFixture,
    quorum: Quorum,
    connection: Connection,
    _dir: TempDir,
}

impl Stage {
    async fn new(started: &[&str]) -> Self {
        Self::of(Quorum::start(1).await, started).await
    }

    async fn of(quorum: Quorum, started: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = BrokerFixture::settings(quorum.urls(), dir.path());
        settings.kafka_port = Some(0);
        settings.config = BrokerConfig::parse(started.iter().copied()).unwrap();
        let broker = BrokerFixture::following(settings).await;
        quorum.create_topic("orders", 1, &[101]);
        let listener = broker.kafka();
        let (host, port) = listener.rsplit_once(':').unwrap();
        let address = Address::new(host.to_owned(), port.parse().unwrap());
        let connection = Connection::open(&address, &ConnectionOptions::default()).await.unwrap();
        let stage = Self { broker, quorum, connection, _dir: dir };
        eventually("it leads", async || stage.produced(plain()).await.error_code.is_none()).await;
        stage
    }

    async fn call<R: Request>(&self, request: &R) -> R::Response
    where
        R::Response: Send,
    {
        self.connection.call(request).await.unwrap()
    }

    async fn produced(&self, records: Bytes) -> PartitionProduceResponse {
        let data = PartitionProduceData { index: 0, records: Records::Bytes(records) };
        let orders = TopicProduceData {
            name: "orders".into(),
            topic_id: self.quorum.core().state.topic("orders").unwrap().topic_id.0,
            partition_data: vec![data],
        };
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 10_000,
            topic_data: vec![orders],
            ..ProduceRequest::default()
        };
        self.call(&request).await.responses[0].partition_responses[0].clone()
    }

    async fn altered(&self, kind: i8, name: &str, changes: &[(&str, i8, &str)]) -> (ErrorCode, String) {
        let configs = changes.iter().map(|(name, operation, value)| AlterableConfig {
            name: (*name).into(),
            config_operation: *operation,
            value: (*operation == SET).then(|| (*value).to_owned()),
        });
        let resource = AlterConfigsResource {
            resource_type: kind,
            resource_name: name.into(),
            configs: configs.collect(),
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let answer = self.call(&request).await.responses.remove(0);
        (answer.error_code, answer.error_message.unwrap_or_default())
    }

    async fn described(&self, kind: i8, name: &str) -> Vec<DescribeConfigsResourceResult> {
        let resource = DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.into(),
            configuration_keys: None,
        };
        let request = DescribeConfigsRequest {
            resources: vec![resource],
            include_synonyms: true,
            include_documentation: true,
        };
        let result = self.call(&request).await.results.remove(0);
        assert_eq!(result.error_code, ErrorCode::NONE, "{:?}", result.error_message);
        result.configs
    }

    /// A setting as `value from source: name=value from source, ...`.
    async fn shown(&self, kind: i8, name: &str, setting: &str) -> String {
        let configs = self.described(kind, name).await;
        let config = configs.into_iter().find(|it| it.name == setting).unwrap();
        let synonyms = config.synonyms.iter();
        let synonyms =
            synonyms.map(|it| format!("{}={} {}", it.name, it.value.as_deref().unwrap(), it.source));
        let synonyms: Vec<_> = synonyms.collect();
        format!("{} {}: {}", config.value.unwrap(), config.config_source, synonyms.join(", "))
    }
}

fn plain() -> Bytes {
    let value = b"value".repeat(50);
    BatchBuilder::default().record(1_000, Some(b"key"), Some(&value)).build(Offset(0)).unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nearest_value_of_a_setting_is_in_force_and_all_are_shown() {
    let stage = Stage::new(&["log.retention.ms=400"]).await;
    let topic = async || stage.shown(TOPIC, "orders", "retention.ms").await;
    let rest = "log.retention.ms=400 4, log.retention.ms=604800000 5";
    assert_eq!(topic().await, format!("400 4: {rest}"));
    let none = (ErrorCode::NONE, String::new());
    let set = async |kind, name: &str, setting: &str, value: &str| {
        stage.altered(kind, name, &[(setting, SET, value)]).await
    };
    assert_eq!(set(BROKER, "", "log.retention.ms", "300").await, none);
    assert_eq!(topic().await, format!("300 3: log.retention.ms=300 3, {rest}"));
    assert_eq!(set(BROKER, "101", "log.retention.ms", "200").await, none);
    assert_eq!(topic().await, format!("200 2: log.retention.ms=200 2, log.retention.ms=300 3, {rest}"));
    assert_eq!(set(TOPIC, "orders", "retention.ms", "100").await, none);
    let all = format!("retention.ms=100 1, log.retention.ms=200 2, log.retention.ms=300 3, {rest}");
    assert_eq!(topic().await, format!("100 1: {all}"));
    let own = stage.shown(BROKER, "101", "log.retention.ms").await;
    assert_eq!(own, format!("200 2: log.retention.ms=200 2, log.retention.ms=300 3, {rest}"));
    let kept = stage.described(BROKER, "").await;
    assert_eq!(kept.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["log.retention.ms"]);

    for (kind, name, setting) in [
        (TOPIC, "orders", "retention.ms"),
        (BROKER, "101", "log.retention.ms"),
        (BROKER, "", "log.retention.ms"),
    ] {
        assert_eq!(stage.altered(kind, name, &[(setting, DELETE, "")]).await, none);
    }
    assert_eq!(topic().await, format!("400 4: {rest}"));
    stage.broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_work_by_a_new_setting_at_once() {
    let stage = Stage::new(&[]).await;
    let none = (ErrorCode::NONE, String::new());
    assert_eq!(stage.altered(BROKER, "", &[("message.max.bytes", SET, "100")]).await, none);
    eventually("large batches are refused", async || {
        stage.produced(plain()).await.error_code == ErrorCode::MESSAGE_TOO_LARGE
    })
    .await;
    let changes = [("message.max.bytes", DELETE, ""), ("compression.type", SET, "zstd")];
    assert_eq!(stage.altered(BROKER, "", &changes).await, none);
    let mut offset = -1;
    eventually("they are taken again", async || {
        offset = stage.produced(plain()).await.base_offset;
        offset >= 0
    })
    .await;
    let partition = FetchPartition {
        partition: 0,
        current_leader_epoch: -1,
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        ..FetchPartition::default()
    };
    let topic_id = stage.quorum.core().state.topic("orders").unwrap().topic_id.0;
    let orders = FetchTopic { topic: "orders".into(), topic_id, partitions: vec![partition] };
    let request =
        FetchRequest { min_bytes: 1, max_bytes: 1 << 20, topics: vec![orders], ..FetchRequest::default() };
    let fetched = stage.call(&request).await.responses.remove(0).partitions.remove(0);
    let records = fetched.records.bytes().unwrap().clone();
    let (batch, _) = Batch::split_first(&records).unwrap();
    assert_eq!(batch.header().attributes.compression(), Ok(Compression::Zstd));
    assert_eq!(batch.payload(1 << 20).unwrap().records().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_by_name_value_and_reason() {
    let stage = Stage::new(&[]).await;
    let refused = async |kind, name: &str, setting: &str, value: &str| {
        let (code, message) = stage.altered(kind, name, &[(setting, SET, value)]).await;
        assert!(!code.is_none() && message.contains(setting), "{code}: {message}");
        (code, message)
    };
    let (code, message) = refused(TOPIC, "orders", "preallocate", "true").await;
    assert_eq!(code, ErrorCode::INVALID_CONFIG);
    assert_eq!(message, "`preallocate` is \"true\"; it takes only `false`: files grow with what is appended");
    // Of brokers, all of it is an invalid request, as in Kafka.
    for (name, setting, value) in [
        ("101", "num.flush.threads", "8"),
        ("101", "node.id", "102"),
        ("101", "min.insync.replicas", "1"),
        ("", "log.retention", "1"),
        ("", "log.retention.ms", "soon"),
    ] {
        let (code, message) = refused(BROKER, name, setting, value).await;
        assert_eq!(code, ErrorCode::INVALID_REQUEST, "{message}");
    }
    let (code, message) = stage.altered(TOPIC, "", &[("retention.ms", SET, "1")]).await;
    assert!(code == ErrorCode::INVALID_REQUEST && message.contains("no topic is named"), "{message}");
    let (code, message) =
        stage.altered(TOPIC, "orders", &[("retention.ms", SET, "1"), ("retention.ms", DELETE, "")]).await;
    assert_eq!(
        (code, message.as_str()),
        (ErrorCode::INVALID_REQUEST, "`retention.ms` is named more than once")
    );
    let (code, _) = stage.altered(TOPIC, "or/ders", &[("retention.ms", SET, "1")]).await;
    assert_eq!(code, ErrorCode::INVALID_TOPIC_EXCEPTION);
    let (code, _) = stage.altered(BROKER, "9", &[("log.retention.ms", SET, "1")]).await;
    assert_eq!(code, ErrorCode::BROKER_ID_NOT_REGISTERED);
    let (code, _) = stage.altered(BROKER, "nine", &[("log.retention.ms", SET, "1")]).await;
    assert_eq!(code, ErrorCode::INVALID_REQUEST);
    for config in stage.described(BROKER, "101").await {
        assert!(config.documentation.is_some() && config.value.is_some(), "{}", config.name);
        let changed =
            stage.altered(BROKER, "", &[(&config.name, SET, config.value.as_deref().unwrap())]).await;
        assert_eq!(changed.0.is_none(), !config.read_only, "{}: {changed:?}", config.name);
        assert_eq!(changed.1.contains("read-only"), config.read_only, "{}: {changed:?}", config.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_its_brokers_settings_unless_it_sets_its_own_within_bounds() {
    let stage = Stage::new(&["group.consumer.session.timeout.ms=46000"]).await;
    let session = "consumer.session.timeout.ms";
    let shown = async || stage.shown(GROUP, "billing", session).await;
    let rest = "group.consumer.session.timeout.ms=46000 4, group.consumer.session.timeout.ms=45000 5";
    assert_eq!(shown().await, format!("46000 4: {rest}"));
    let names: Vec<_> = stage.described(GROUP, "billing").await.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["consumer.heartbeat.interval.ms", session]);

    let none = (ErrorCode::NONE, String::new());
    assert_eq!(stage.altered(GROUP, "billing", &[(session, SET, "50000")]).await, none);
    assert_eq!(shown().await, format!("50000 8: {session}=50000 8, {rest}"));
    assert_eq!(stage.shown(GROUP, "audit", session).await, format!("46000 4: {rest}"));

    let refused = async |name: &str, changes: &[(&str, i8, &str)]| stage.altered(GROUP, name, changes).await;
    let (code, message) = refused("billing", &[(session, SET, "60001")]).await;
    assert_eq!(code, ErrorCode::INVALID_CONFIG);
    assert_eq!(
        message,
        "`consumer.session.timeout.ms` is 60001; it must be at most 60000, which is \
         `group.consumer.max.session.timeout.ms`"
    );
    let (code, message) = refused("billing", &[("share.session.timeout.ms", SET, "50000")]).await;
    assert_eq!(
        (code, message.as_str()),
        (ErrorCode::INVALID_CONFIG, "unknown group setting `share.session.timeout.ms`")
    );
    assert_eq!(refused("", &[(session, SET, "50000")]).await.0, ErrorCode::INVALID_REQUEST);
    // A bound stays around what is set.
    let bound = [("group.consumer.max.session.timeout.ms", SET, "49000")];
    let (code, message) = stage.altered(BROKER, "", &bound).await;
    assert!(code == ErrorCode::INVALID_REQUEST && message.starts_with("group `billing`: "), "{message}");
    assert_eq!(stage.altered(GROUP, "billing", &[(session, DELETE, "")]).await, none);
    assert_eq!(stage.altered(BROKER, "", &bound).await, none);
    assert_eq!(shown().await, format!("46000 4: {rest}"));
    stage.broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_are_told_only_where_somebody_set_them() {
    let stage = Stage::new(&[]).await;
    let rate = "leader.replication.throttled.rate";
    let told = async || {
        let configs = stage.described(BROKER, "101").await;
        let of_rates = configs
            .iter()
            .filter(|it| it.name.ends_with("throttled.rate") || it.name.starts_with("replica.alter"));
        of_rates.map(|it| format!("{} {}", it.name, it.value.as_deref().unwrap())).collect::<Vec<_>>()
    };
    assert!(told().await.is_empty());
    let none = (ErrorCode::NONE, String::new());
    assert_eq!(stage.altered(BROKER, "101", &[(rate, SET, "1000")]).await, none);
    assert_eq!(told().await, [format!("{rate} 1000")]);
    assert_eq!(stage.shown(BROKER, "101", rate).await, format!("1000 2: {rate}=1000 2"));
    assert_eq!(stage.altered(BROKER, "101", &[(rate, DELETE, "")]).await, none);
    assert!(told().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_without_replicas_is_forgotten() {
    let stage = Stage::new(&[]).await;
    stage.quorum.register_other(102);
    let brokers = async || {
        stage.call(&ListConfigResourcesRequest { resource_types: vec![BROKER] }).await.config_resources.len()
    };
    let unregistered = async |broker_id| stage.call(&UnregisterBrokerRequest { broker_id }).await.error_code;
    eventually("102 is known", async || brokers().await == 2).await;
    assert_eq!(unregistered(101).await, ErrorCode::INVALID_REQUEST);
    assert_eq!(unregistered(102).await, ErrorCode::NONE);
    assert_eq!(brokers().await, 1);
    assert_eq!(unregistered(102).await, ErrorCode::BROKER_ID_NOT_REGISTERED);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_all_leaders_elected_is_told_of_those_that_needed_it() {
    let stage = Stage::new(&[]).await;
    stage.quorum.register_other(102);
    stage.quorum.create_topic("other", 1, &[101]);
    let is_so = async |leader: i32, replicas: &[i32]| {
        let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
        let topics = stage.call(&request).await.topics;
        let orders = topics.into_iter().find(|topic| topic.name.as_deref() == Some("orders")).unwrap();
        (orders.partitions[0].leader_id, orders.partitions[0].replica_nodes.as_slice()) == (leader, replicas)
    };
    let all = ElectLeadersRequest { topic_partitions: None, timeout_ms: 10_000, ..Default::default() };
    let elected = async |request: &ElectLeadersRequest| {
        let answer = stage.call(request).await;
        assert_eq!(answer.error_code, ErrorCode::NONE);
        let results = answer.replica_election_results.into_iter();
        let result = |it: ReplicaElectionResult| (it.topic, it.partition_result[0].error_code);
        results.map(result).collect::<Vec<_>>()
    };
    let orders = |code| [("orders".to_owned(), code)];
    assert_eq!(elected(&all).await, []);
    stage.quorum.move_to("orders", &[102, 101]);
    eventually("102 is to lead", async || is_so(101, &[102, 101]).await).await;
    assert_eq!(elected(&all).await, orders(ErrorCode::NONE));
    assert_eq!(elected(&all).await, []);
    let named = TopicPartitions { topic: "orders".into(), partitions: vec![0] };
    let named = ElectLeadersRequest { topic_partitions: Some(vec![named]), ..all.clone() };
    assert_eq!(elected(&named).await, orders(ErrorCode::ELECTION_NOT_NEEDED));
    stage.quorum.fence(102);
    eventually("102 is gone", async || is_so(101, &[102, 101]).await).await;
    assert_eq!(elected(&all).await, orders(ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE));
}

#[tokio::test(flavor = "multi_thread")]
async fn acls_are_refused_as_by_a_broker_without_an_authorizer() {
    let stage = Stage::new(&[]).await;
    let described = stage.call(&DescribeAclsRequest::default()).await;
    assert_eq!(described.error_code, ErrorCode::SECURITY_DISABLED);
    let creations = vec![AclCreation::default(); 2];
    let created = stage.call(&CreateAclsRequest { creations }).await.results;
    let codes: Vec<_> = created.iter().map(|it| it.error_code).collect();
    assert_eq!(codes, [ErrorCode::SECURITY_DISABLED; 2]);
    let deleted = stage.call(&DeleteAclsRequest { filters: vec![DeleteAclsFilter::default()] }).await;
    assert_eq!(deleted.filter_results[0].error_code, ErrorCode::SECURITY_DISABLED);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_groups_wait_for_the_feature_level() {
    // As in a cluster that older nodes began.
    let quorum = Quorum::start(1).await;
    quorum.core().state.evolve(MetadataVersion(0), &Event::FeatureLevelChanged { level: 1 });
    let stage = Stage::of(quorum, &[]).await;
    let set = [("consumer.session.timeout.ms", SET, "50000")];
    let (code, message) = stage.altered(GROUP, "billing", &set).await;
    assert_eq!(code, ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(message, "settings of groups take `dmq.feature.level` 2, and 1 is in force");
    let bound = [("group.consumer.min.session.timeout.ms", SET, "6000")];
    let (code, message) = stage.altered(BROKER, "", &bound).await;
    assert!(code == ErrorCode::INVALID_REQUEST && message.contains("unknown broker setting"), "{message}");

    let level = GROUP_CONFIGS_LEVEL;
    stage.quorum.apply(Command::SetFeatureLevel { level, level_max: level }).result.unwrap();
    eventually("it is in force", async || stage.altered(GROUP, "billing", &set).await.0.is_none()).await;
    stage.broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn new_partitions_go_where_they_are_wanted() {
    let stage = Stage::new(&[]).await;
    stage.quorum.register_other(102);
    let grow = async |count, brokers: &[&[i32]], validate_only| {
        let assignment = |ids: &&[i32]| CreatePartitionsAssignment { broker_ids: ids.to_vec() };
        let assignments = Some(brokers.iter().map(assignment).collect());
        let topic = CreatePartitionsTopic { name: "orders".into(), count, assignments };
        let request = CreatePartitionsRequest { topics: vec![topic], timeout_ms: 10_000, validate_only };
        stage.call(&request).await.results.remove(0).error_code
    };
    eventually("102 is known", async || grow(2, &[&[102]], true).await.is_none()).await;
    for (count, brokers) in [(3, &[&[102][..]][..]), (2, &[&[101, 102]]), (2, &[&[7]]), (2, &[&[]])] {
        for validate_only in [true, false] {
            let code = grow(count, brokers, validate_only).await;
            assert_eq!(code, ErrorCode::INVALID_REPLICA_ASSIGNMENT, "{count} on {brokers:?}");
        }
    }
    assert_eq!(grow(1, &[&[102]], false).await, ErrorCode::INVALID_PARTITIONS);
    assert_eq!(grow(3, &[&[102], &[101]], false).await, ErrorCode::NONE);
    let core = stage.quorum.core();
    let replicas = core.state.topic("orders").unwrap().partitions.iter().map(|it| it.replicas[0].0);
    assert_eq!(replicas.collect::<Vec<_>>(), [101, 102, 101]);
}

#[tokio::test(flavor = "multi_thread")]
async fn features_are_told_and_only_grow() {
    let stage = Stage::new(&[]).await;
    let versions =
        ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() };
    let served = stage.call(&versions).await;
    let supported = served.supported_features.iter().find(|it| it.name == "dmq.feature.level").unwrap();
    let finalized = served.finalized_features.iter().find(|it| it.name == supported.name).unwrap();
    assert!((supported.min_version..=supported.max_version).contains(&finalized.max_version_level));
    let update = async |feature: &str, level, upgrade_type, validate_only| {
        let update = FeatureUpdateKey {
            feature: feature.into(),
            max_version_level: level,
            upgrade_type,
            ..FeatureUpdateKey::default()
        };
        let request =
            UpdateFeaturesRequest { feature_updates: vec![update], validate_only, ..Default::default() };
        stage.call(&request).await.error_code
    };
    let (name, most) = (supported.name.as_str(), supported.max_version);
    assert_eq!(update(name, most, 1, true).await, ErrorCode::NONE);
    assert_eq!(update(name, most, 1, false).await, ErrorCode::NONE);
    assert_eq!(update(name, most + 1, 1, false).await, ErrorCode::INVALID_UPDATE_VERSION);
    assert_eq!(update(name, 0, 3, false).await, ErrorCode::INVALID_UPDATE_VERSION);
    assert_eq!(update("group.version", 1, 1, false).await, ErrorCode::NONE);
    assert_eq!(update("group.version", 0, 2, false).await, ErrorCode::INVALID_UPDATE_VERSION);
    assert_eq!(update("metadata.version", 1, 1, false).await, ErrorCode::INVALID_UPDATE_VERSION);
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_tell_who_writes() {
    let stage = Stage::new(&[]).await;
    let stamp = |base_sequence| ProducerStamp { id: ProducerId(77), epoch: 3, base_sequence };
    for sequence in [0, 1] {
        let mut batch = BatchBuilder::default().producer(stamp(sequence));
        batch.record(1_000, None, Some(b"value"));
        let answer = stage.produced(batch.build(Offset(0)).unwrap().into()).await;
        assert_eq!(answer.error_code, ErrorCode::NONE, "{:?}", answer.error_message);
    }
    let topic = |name: &str| TopicRequest { name: name.into(), partition_indexes: vec![0] };
    let request = DescribeProducersRequest { topics: vec![topic("orders"), topic("nothing")] };
    let response = stage.call(&request).await;
    let orders = &response.topics[0].partitions[0];
    let [producer] = orders.active_producers.as_slice() else { panic!("{orders:?}") };
    assert_eq!((producer.producer_id, producer.producer_epoch, producer.last_sequence), (77, 3, 1));
    assert_eq!((producer.current_txn_start_offset, producer.coordinator_epoch), (-1, -1));
    assert_eq!(response.topics[1].partitions[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_tells_what_it_is() {
    let stage = Stage::new(&[]).await;
    let names = ["advertised.listeners", "log.dirs", "node.id"].map(String::from);
    let resource = DescribeConfigsResource {
        resource_type: BROKER,
        resource_name: "101".into(),
        configuration_keys: Some(names.to_vec()),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let configs = &stage.call(&request).await.results[0].configs;
    assert!(configs.iter().all(|config| config.read_only && config.config_source == 4), "{configs:?}");
    let value =
        |name: &str| configs.iter().find(|config| config.name == name).unwrap().value.clone().unwrap();
    assert_eq!(value("node.id"), "101");
    assert_eq!(value("advertised.listeners"), format!("PLAINTEXT://{}", stage.broker.kafka()));
    let told = stage.call(&DescribeLogDirsRequest::default()).await.results[0].log_dir.clone();
    assert_eq!(value("log.dirs"), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_settings_is_listed() {
    let stage = Stage::new(&[]).await;
    let listed = async |types: &[i8]| {
        let response = stage.call(&ListConfigResourcesRequest { resource_types: types.to_vec() }).await;
        let resources = response.config_resources.into_iter();
        (response.error_code, resources.map(|it| (it.resource_type, it.resource_name)).collect::<Vec<_>>())
    };
    let (orders, broker) = ((TOPIC, "orders".to_owned()), (BROKER, "101".to_owned()));
    assert_eq!(listed(&[]).await, (ErrorCode::NONE, vec![orders.clone(), broker.clone()]));
    let set = stage.altered(GROUP, "billing", &[("consumer.session.timeout.ms", SET, "50000")]).await;
    assert!(set.0.is_none(), "{set:?}");
    let billing = (GROUP, "billing".to_owned());
    assert_eq!(listed(&[GROUP]).await, (ErrorCode::NONE, vec![billing.clone()]));
    assert_eq!(listed(&[]).await, (ErrorCode::NONE, vec![orders.clone(), broker, billing]));
    assert_eq!(listed(&[TOPIC, 16]).await, (ErrorCode::NONE, vec![orders]));
    assert_eq!(listed(&[3]).await, (ErrorCode::UNSUPPORTED_VERSION, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_moves_to_no_other_directory() {
    let stage = Stage::new(&[]).await;
    let own = stage.call(&DescribeLogDirsRequest::default()).await.results[0].log_dir.clone();
    let moved = async |path: &str, name: &str, index: i32| {
        let topic = AlterReplicaLogDirTopic { name: name.to_owned(), partitions: vec![index] };
        let dir = AlterReplicaLogDir { path: path.to_owned(), topics: vec![topic] };
        stage.call(&AlterReplicaLogDirsRequest { dirs: vec![dir] }).await.results[0].partitions[0].error_code
    };
    assert_eq!(moved(&own, "orders", 0).await, ErrorCode::NONE);
    assert_eq!(moved("/nowhere", "orders", 0).await, ErrorCode::LOG_DIR_NOT_FOUND);
    assert_eq!(moved(&own, "nothing", 0).await, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(moved("/nowhere", "no/thing", 0).await, ErrorCode::INVALID_TOPIC_EXCEPTION);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_twice_is_not_altered() {
    let stage = Stage::new(&[]).await;
    let resource = |name: &str| AlterConfigsResource {
        resource_type: TOPIC,
        resource_name: name.into(),
        configs: Vec::new(),
    };
    let resources = vec![resource("orders"), resource("nothing"), resource("orders")];
    let request = IncrementalAlterConfigsRequest { resources, validate_only: true };
    let codes: Vec<_> =
        stage.call(&request).await.responses.iter().map(|response| response.error_code).collect();
    let twice = ErrorCode::INVALID_REQUEST;
    assert_eq!(codes, [twice, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, twice]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_replicas_changes_only_if_that_is_allowed() {
    let stage = Stage::new(&[]).await;
    let asked = |name: &str, replicas: &[i32]| ReassignableTopic {
        name: name.to_owned(),
        partitions: vec![ReassignablePartition { partition_index: 0, replicas: Some(replicas.to_vec()) }],
    };
    let request = AlterPartitionReassignmentsRequest {
        allow_replication_factor_change: false,
        topics: vec![asked("orders", &[101, 102]), asked("or/ders", &[101])],
        ..AlterPartitionReassignmentsRequest::default()
    };
    let answer = stage.call(&request).await;
    assert!(!answer.allow_replication_factor_change && answer.error_code.is_none(), "{answer:?}");
    let codes: Vec<_> = answer.responses.iter().map(|topic| topic.partitions[0].error_code).collect();
    assert_eq!(codes, [ErrorCode::INVALID_REPLICATION_FACTOR, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]);
}

/// Topics of one request are worked on together; still each answer stands where its topic stood, and is about that one.
#[tokio::test(flavor = "multi_thread")]
async fn many_topics_of_one_request_are_answered_in_its_order() {
    let stage = Stage::new(&[]).await;
    let names: Vec<String> = (0..60).map(|at| format!("many-{at:02}")).collect();
    let topic = |name: &str, num_partitions| CreatableTopic {
        name: name.to_owned(),
        num_partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let create = async |validate_only| {
        let mut topics: Vec<_> = names.iter().map(|name| topic(name, 2)).collect();
        topics.insert(40, topic("orders", 1));
        topics.insert(30, topic("none", 0));
        topics.insert(20, topic("twice", 1));
        topics.insert(10, topic("twice", 1));
        let asked: Vec<_> = topics.iter().map(|topic| topic.name.clone()).collect();
        let request = CreateTopicsRequest { topics, timeout_ms: 60_000, validate_only };
        let response = stage.call(&request).await;
        let answered: Vec<_> = response.topics.iter().map(|topic| topic.name.clone()).collect();
        assert_eq!(answered, asked);
        let refused = response.topics.into_iter().filter(|topic| !topic.error_code.is_none());
        refused.map(|topic| (topic.name, topic.error_code)).collect::<Vec<_>>()
    };
    let refused = [
        ("twice".to_owned(), ErrorCode::INVALID_REQUEST),
        ("twice".to_owned(), ErrorCode::INVALID_REQUEST),
        ("none".to_owned(), ErrorCode::INVALID_PARTITIONS),
        ("orders".to_owned(), ErrorCode::TOPIC_ALREADY_EXISTS),
    ];
    let there = || {
        let core = stage.quorum.core();
        names.iter().filter(|name| core.state.topic(name).is_some()).count()
    };
    assert_eq!(create(true).await, refused);
    assert_eq!(there(), 0);
    assert_eq!(create(false).await, refused);
    assert_eq!(there(), names.len());

    let topics = ["many-00", "many-01", "many-00", "nothing"].map(|name| CreatePartitionsTopic {
        name: name.to_owned(),
        count: 5,
        assignments: None,
    });
    let request =
        CreatePartitionsRequest { topics: topics.to_vec(), timeout_ms: 60_000, validate_only: false };
    let codes = stage.call(&request).await.results.into_iter().map(|topic| topic.error_code);
    let (done, twice) = (ErrorCode::NONE, ErrorCode::INVALID_REQUEST);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(codes.collect::<Vec<_>>(), [twice, done, twice, unknown]);

    let named = |name: &str| DeleteTopicState { name: Some(name.to_owned()), ..Default::default() };
    let mut topics: Vec<_> = names.iter().map(|name| named(name)).collect();
    topics.push(named("nothing"));
    topics.push(named("many-59"));
    let request = DeleteTopicsRequest { topics, timeout_ms: 60_000, ..Default::default() };
    let codes = stage.call(&request).await.responses.into_iter().map(|topic| topic.error_code);
    let expected: Vec<_> = std::iter::repeat_n(done, 59).chain([twice, unknown, twice]).collect();
    assert_eq!(codes.collect::<Vec<_>>(), expected);
    assert_eq!(there(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_offsets_topic_may_be_made_with_other_numbers() {
    let stage = Stage::new(&["num.partitions=3", "offsets.topic.num.partitions=9"]).await;
    let offsets = CreatableTopic {
        name: "__consumer_offsets".into(),
        num_partitions: 7,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let create = async |topic: CreatableTopic, validate_only| {
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, validate_only };
        stage.call(&request).await.topics[0].clone()
    };
    let config = CreatableTopicConfig { name: "retention.ms".into(), value: Some("1".into()) };
    let with_settings = CreatableTopic { configs: vec![config], ..offsets.clone() };
    let of_controllers = CreatableTopic { name: "__cluster_metadata".into(), ..offsets.clone() };
    for validate_only in [true, false] {
        for topic in [&with_settings, &of_controllers] {
            let refused = create(topic.clone(), validate_only).await;
            assert_eq!(refused.error_code, ErrorCode::INVALID_REQUEST, "{:?}", refused.error_message);
        }
    }
    // Who names no number gets that of any topic, as in Kafka.
    let unnamed = CreatableTopic { num_partitions: -1, replication_factor: -1, ..offsets.clone() };
    let could = create(unnamed, true).await;
    assert_eq!((could.error_code, could.num_partitions), (ErrorCode::NONE, 3), "{:?}", could.error_message);
    let made = create(offsets.clone(), false).await;
    assert_eq!((made.error_code, made.num_partitions), (ErrorCode::NONE, 7), "{:?}", made.error_message);
    let topic = stage.quorum.core().state.topic("__consumer_offsets").cloned().unwrap();
    assert_eq!(topic.configs.get("cleanup.policy").map(String::as_str), Some("compact"));
    assert_eq!(create(offsets, false).await.error_code, ErrorCode::TOPIC_ALREADY_EXISTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_what_is_allowed_may_do_everything() {
    let stage = Stage::new(&[]).await;
    for asked in [false, true] {
        let cluster = DescribeClusterRequest {
            include_cluster_authorized_operations: asked,
            endpoint_type: 1,
            ..Default::default()
        };
        let topics = MetadataRequest {
            include_topic_authorized_operations: asked,
            topics: None,
            ..Default::default()
        };
        let cluster = stage.call(&cluster).await.cluster_authorized_operations;
        let topic = stage.call(&topics).await.topics[0].topic_authorized_operations;
        assert_eq!((cluster, topic), if asked { (8096, 3576) } else { (i32::MIN, i32::MIN) });
    }
}
