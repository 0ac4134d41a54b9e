//! What a metadata node of the test answers.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post},
};
use common::{BrokerId, BrokerStatus, DirectoryId, IncarnationId, NodeId, Term};
use http_api::{
    AlterTopicRequest, BrokerInfo, ClusterImage, ClusterMetadata, ControllerInfo, CreateTopicRequest, Delta,
    DeltaSet, ErrorCode, HeartbeatRequest, HeartbeatResponse, Problem, RegisterBrokerRequest,
    RegisterBrokerResponse, TopicInfo,
    broker_configs::{AlterBrokerConfigsRequest, BrokerConfigsInfo},
    elections::{ElectLeadersRequest, ElectLeadersResponse},
    features::{FeatureLevel, SetFeatureLevelRequest},
    group_configs::{AlterGroupConfigsRequest, GroupConfigsInfo},
    headers,
    internal_topics::CreateInternalTopicRequest,
    paths,
    query::{ClusterQuery, HistoryQuery},
};
use metadata_core::{Command, Outcome};
use uuid::Uuid;

use super::{Core, Shared};

type Node = State<(u64, Arc<Shared>)>;

pub(super) fn router(id: u64, shared: Arc<Shared>) -> Router {
    Router::new()
        .route(paths::CONTROLLER, get(controller))
        .route(paths::BROKERS, post(register))
        .route(paths::BROKER, delete(remove_broker))
        .route(paths::HEARTBEAT, post(heartbeat))
        .route(paths::CLUSTER, get(cluster))
        .route(paths::INTERNAL_TOPICS, post(internal_topic))
        .route(paths::HISTORY, get(history))
        .route(paths::TOPICS, post(create_topic))
        .route(paths::TOPIC, patch(alter_topic).delete(delete_topic))
        .route(paths::BROKER_CONFIGS, patch(alter_all_brokers))
        .route(paths::CONFIGS_OF_BROKER, patch(alter_broker))
        .route(paths::CONFIGS_OF_GROUP, patch(alter_group))
        .route(paths::FEATURES, post(feature_level))
        .route(paths::ELECTIONS, post(elect))
        .with_state((id, shared))
}

pub(super) fn registration(
    broker_id: BrokerId,
    incarnation: Uuid,
    host: String,
    port: u16,
    directory_id: Option<DirectoryId>,
    gone: bool,
) -> Command {
    Command::RegisterBroker {
        broker_id,
        incarnation_id: IncarnationId(incarnation),
        host,
        port,
        kafka_port: None,
        rack: None,
        directory_id,
        previous_is_gone: gone,
    }
}

fn problem(code: ErrorCode) -> Response {
    let status = StatusCode::from_u16(code.status()).unwrap();
    (status, Json(Problem::new(code, format!("the test says {code}")))).into_response()
}

fn rejected(rejection: &metadata_core::Rejection) -> Response {
    let code = match rejection {
        metadata_core::Rejection::DuplicateBrokerId { .. } => ErrorCode::DuplicateBrokerId,
        metadata_core::Rejection::StaleBrokerEpoch { .. } => ErrorCode::StaleBrokerEpoch,
        metadata_core::Rejection::UnknownBroker { .. } => ErrorCode::UnknownBroker,
        other => panic!("the test does not expect {other}"),
    };
    problem(code)
}

impl Core {
    /// Whom a node takes for the leader.
    fn leader_as_seen_by(&self, node: u64) -> Option<ControllerInfo> {
        let (leader, term) = match self.stale.get(&node) {
            Some(stale) => *stale,
            None => (self.leader?, self.term),
        };
        Some(ControllerInfo {
            controller_id: NodeId(leader),
            controller_url: self.urls[&leader].clone(),
            controller_term: Term(term),
            timestamp: 0,
        })
    }

    /// The leader's own statement, or the answer of a node that does not lead.
    fn must_lead(&self, node: u64) -> Result<ControllerInfo, Response> {
        match self.leader_as_seen_by(node) {
            Some(info) if info.controller_id == NodeId(node) => Ok(info),
            Some(info) => {
                let names = [
                    (headers::CONTROLLER_LEADER, info.controller_id.to_string()),
                    (headers::CONTROLLER_URL, info.controller_url),
                ];
                Err((names, problem(ErrorCode::NotController)).into_response())
            }
            None => Err(problem(ErrorCode::NotController)),
        }
    }
}

async fn controller(State((id, shared)): Node) -> Response {
    match shared.core.lock().unwrap().leader_as_seen_by(id) {
        Some(info) => Json(info).into_response(),
        None => problem(ErrorCode::NotController),
    }
}

async fn register(State((id, shared)): Node, Json(request): Json<RegisterBrokerRequest>) -> Response {
    let mut core = shared.core.lock().unwrap();
    let controller_info = match core.must_lead(id) {
        Ok(info) => info,
        Err(answer) => return answer,
    };
    core.registrations += 1;
    let gone = core.previous_is_gone;
    let RegisterBrokerRequest { broker_id, host, port, kafka_port, incarnation_id, directory_id, .. } =
        request;
    let mut command = registration(broker_id, incarnation_id.0, host, port, directory_id, gone);
    if let Command::RegisterBroker { kafka_port: own, .. } = &mut command {
        *own = kafka_port;
    }
    match core.apply(command).result {
        Ok(Outcome::Broker { broker }) => {
            let response = RegisterBrokerResponse {
                broker_id,
                broker_epoch: broker.broker_epoch,
                metadata_version: core.state.version(),
                controller_info,
            };
            (StatusCode::CREATED, Json(response)).into_response()
        }
        Ok(other) => panic!("{other:?}"),
        Err(rejection) => rejected(&rejection),
    }
}

async fn heartbeat(
    State((id, shared)): Node,
    Path(broker_id): Path<BrokerId>,
    Json(request): Json<HeartbeatRequest>,
) -> Response {
    let mut core = shared.core.lock().unwrap();
    let controller = match core.must_lead(id) {
        Ok(info) => info,
        Err(answer) => return answer,
    };
    if let Some(code) = core.heartbeats_fail_with {
        return problem(code);
    }
    match core.state.broker(broker_id) {
        None => return problem(ErrorCode::UnknownBroker),
        Some(broker) if broker.broker_epoch != request.broker_epoch => {
            return problem(ErrorCode::StaleBrokerEpoch);
        }
        Some(broker) if broker.status == BrokerStatus::Offline => {
            core.apply(Command::UnfenceBroker { broker_id, broker_epoch: request.broker_epoch })
                .result
                .unwrap();
        }
        Some(_) => {}
    }
    if request.want_shutdown {
        core.apply(Command::DrainBroker { broker_id, broker_epoch: request.broker_epoch }).result.unwrap();
    }
    core.heartbeats.push((id, request));
    let broker_status = core.state.broker(broker_id).unwrap().status;
    Json(HeartbeatResponse {
        success: true,
        metadata_version: core.state.version(),
        controller_id: controller.controller_id,
        controller_term: controller.controller_term,
        broker_status,
        timestamp: 0,
    })
    .into_response()
}

async fn cluster(State((_, shared)): Node, Query(query): Query<ClusterQuery>) -> Json<ClusterMetadata> {
    let mut core = shared.core.lock().unwrap();
    let since = query.since;
    core.pulls.push(since);
    let version = core.state.version();
    if let Some(from_version) = since
        && let Some(events) = core.log.since(from_version)
    {
        let deltas = events.into_iter().map(|(version, event)| Delta { version, event }).collect();
        return Json(ClusterMetadata::Deltas(DeltaSet { from_version, version, deltas }));
    }
    core.full_answers += 1;
    let state = &core.state;
    Json(ClusterMetadata::Full(Box::new(ClusterImage {
        cluster_id: state.cluster_id().clone(),
        version,
        full: true,
        controller_leader_id: None,
        controller_info: None,
        brokers: state.brokers().map(|broker| BrokerInfo::new(broker, 0, 0)).collect(),
        broker_configs: state.broker_configs().into(),
        group_configs: state.group_configs().iter().map(|(id, it)| (id.to_owned(), it.clone())).collect(),
        feature_level: state.feature_level(),
        topics: state.topics().map(|topic| TopicInfo::from(topic.as_ref().clone())).collect(),
        total_partitions: state.total_partitions(),
        active_metadata_nodes: Vec::new(),
    })))
}

async fn internal_topic(
    State((id, shared)): Node,
    Json(request): Json<CreateInternalTopicRequest>,
) -> Response {
    let mut core = shared.core.lock().unwrap();
    if let Err(answer) = core.must_lead(id) {
        return answer;
    }
    let CreateInternalTopicRequest { topic_name, num_partitions, replication_factor, configs, .. } = request;
    let command = Command::CreateTopic {
        topic_name,
        topic_id: common::TopicId(Uuid::new_v4()),
        num_partitions,
        replication_factor,
        configs,
        assignments: None,
        placement_seed: 0,
        internal: true,
    };
    match core.apply(command).result {
        Ok(Outcome::Topic { topic }) => {
            (StatusCode::CREATED, Json(TopicInfo::from(topic.as_ref().clone()))).into_response()
        }
        Ok(other) => panic!("{other:?}"),
        Err(metadata_core::Rejection::TopicAlreadyExists { .. }) => problem(ErrorCode::TopicAlreadyExists),
        Err(rejection) => rejected(&rejection),
    }
}

async fn history(
    State((_, shared)): Node,
    Query(query): Query<HistoryQuery>,
) -> Json<Vec<http_api::HistoryEntry>> {
    let core = shared.core.lock().unwrap();
    if core.forgets_history {
        return Json(Vec::new());
    }
    let topic = query.topic.unwrap();
    let since = query.since.unwrap();
    let about = |entry: &&http_api::HistoryEntry| {
        let after = &entry.after;
        let name = after["topicName"].as_str().or_else(|| after["topic"]["topicName"].as_str());
        entry.version > since && name == Some(&topic)
    };
    Json(core.history.iter().filter(about).cloned().collect())
}

/// Applies a command at the leader, and answers with what `show` makes of the outcome.
fn decided(
    (id, shared): &(u64, Arc<Shared>),
    command: Command,
    show: impl FnOnce(&Core, Outcome) -> Response,
) -> Response {
    let mut core = shared.core.lock().unwrap();
    if let Err(answer) = core.must_lead(*id) {
        return answer;
    }
    match core.apply(command).result {
        Ok(outcome) => show(&core, outcome),
        Err(rejection) => {
            let problem = Problem::from(rejection);
            (StatusCode::from_u16(problem.status).unwrap(), Json(problem)).into_response()
        }
    }
}

async fn create_topic(State(node): Node, Json(request): Json<CreateTopicRequest>) -> Response {
    let command = Command::CreateTopic {
        topic_name: common::TopicName::new(&request.topic_name).unwrap(),
        topic_id: common::TopicId(Uuid::new_v4()),
        num_partitions: request.num_partitions.map_or(0, |number| i32::try_from(number).unwrap()),
        replication_factor: request.replication_factor.map_or(0, |number| i16::try_from(number).unwrap()),
        configs: request.configs,
        assignments: request.assignments,
        placement_seed: 0,
        internal: false,
    };
    decided(&node, command, |_, outcome| match outcome {
        Outcome::Topic { topic } => {
            (StatusCode::CREATED, Json(TopicInfo::from(topic.as_ref().clone()))).into_response()
        }
        other => panic!("{other:?}"),
    })
}

async fn delete_topic(State(node): Node, Path(name): Path<String>) -> Response {
    let command = Command::DeleteTopic { topic_name: common::TopicName::new(&name).unwrap() };
    decided(&node, command, |_, outcome| match outcome {
        Outcome::TopicDeleted => StatusCode::NO_CONTENT.into_response(),
        other => panic!("{other:?}"),
    })
}

async fn alter_topic(
    State(node): Node,
    Path(name): Path<String>,
    Json(request): Json<AlterTopicRequest>,
) -> Response {
    let command = Command::AlterTopic {
        topic_name: common::TopicName::new(&name).unwrap(),
        num_partitions: request.num_partitions.map(|number| i32::try_from(number).unwrap()),
        configs: request.configs,
        assignments: request.assignments,
        placement_seed: 0,
    };
    decided(&node, command, |_, outcome| match outcome {
        Outcome::Topic { topic } => Json(TopicInfo::from(topic.as_ref().clone())).into_response(),
        other => panic!("{other:?}"),
    })
}

async fn elect(State(node): Node, Json(request): Json<ElectLeadersRequest>) -> Response {
    assert!(!request.unclean);
    let partitions = request.partitions.into_iter().map(|it| (it.topic_name, it.partition)).collect();
    decided(&node, Command::ElectPreferredLeaders { partitions }, |core, outcome| match outcome {
        Outcome::Elections { elected, results } => {
            let results = results.into_iter().map(Into::into).collect();
            let metadata_version = core.state.version();
            Json(ElectLeadersResponse { elected, metadata_version, results }).into_response()
        }
        other => panic!("{other:?}"),
    })
}

async fn remove_broker(State(node): Node, Path(broker_id): Path<BrokerId>) -> Response {
    decided(&node, Command::RemoveBroker { broker_id }, |_, _| StatusCode::NO_CONTENT.into_response())
}

async fn alter_all_brokers(State(node): Node, Json(request): Json<AlterBrokerConfigsRequest>) -> Response {
    configured(&node, None, request)
}

async fn alter_broker(
    State(node): Node,
    Path(id): Path<BrokerId>,
    Json(request): Json<AlterBrokerConfigsRequest>,
) -> Response {
    configured(&node, Some(id), request)
}

fn configured(
    node: &(u64, Arc<Shared>),
    broker_id: Option<BrokerId>,
    request: AlterBrokerConfigsRequest,
) -> Response {
    let command = Command::AlterBrokerConfigs { broker_id, configs: request.configs };
    decided(node, command, |core, _| {
        let kept = core.state.broker_configs();
        let of_one = |id| kept.of(id).cloned().unwrap_or_default();
        let configs = broker_id.map_or_else(|| kept.of_all().clone(), of_one);
        let metadata_version = core.state.version();
        Json(BrokerConfigsInfo { broker_id, configs, metadata_version }).into_response()
    })
}

async fn alter_group(
    State(node): Node,
    Path(group_id): Path<String>,
    Json(request): Json<AlterGroupConfigsRequest>,
) -> Response {
    let command = Command::AlterGroupConfigs { group_id: group_id.clone(), configs: request.configs };
    decided(&node, command, |core, _| {
        let configs = core.state.group_configs().of(&group_id).cloned().unwrap_or_default();
        let metadata_version = core.state.version();
        Json(GroupConfigsInfo { group_id, configs, metadata_version }).into_response()
    })
}

async fn feature_level(State(node): Node, Json(request): Json<SetFeatureLevelRequest>) -> Response {
    let level = request.level;
    let level_max = metadata_core::command::FEATURE_LEVEL_MAX;
    decided(&node, Command::SetFeatureLevel { level, level_max }, |core, _| {
        let metadata_version = core.state.version();
        Json(FeatureLevel { level, max_level: level_max, metadata_version }).into_response()
    })
}
