//! The classic protocol: join, sync, heartbeat, until there is a rebalance.

use std::collections::BTreeMap;

use kafka_wire::{
    ErrorCode,
    messages::{
        HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest,
        join_group::JoinGroupRequestProtocol, sync_group::SyncGroupRequestAssignment,
    },
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::{
    Assignor, ChangeKind, GroupError, Partitions, assignor,
    embedded::{Subscription, decode_share, encode_share},
    session::{Interrupted, Session, Wait},
};

/// Groups of consumers call their kind of protocol so.
const PROTOCOL_TYPE: &str = "consumer";

/// Goes from generation to generation, until the member cannot go on.
pub(super) async fn run(session: &mut Session, assignor: Assignor) -> GroupError {
    loop {
        match generation(session, assignor).await {
            Ok(()) | Err(Interrupted::Anew) => {}
            Err(Interrupted::Ended(error)) => {
                session.lose().await;
                return error;
            }
        }
    }
}

/// From the join to the next rebalance.
async fn generation(session: &mut Session, assignor: Assignor) -> Result<(), Interrupted> {
    if assignor == Assignor::Range {
        let all = session.owned.clone();
        give_up(session, all).await?;
    }
    let joined = join(session, assignor).await?;
    let Some(share) = sync(session, assignor, &joined).await? else { return Ok(()) };
    session.identity.lock().epoch = joined.generation_id;
    let revoked: Partitions = session.owned.difference(&share).cloned().collect();
    let assigned: Partitions = share.difference(&session.owned).cloned().collect();
    let gives_up = !revoked.is_empty();
    give_up(session, revoked).await?;
    session.take(assigned).await;
    if gives_up {
        // What was given up goes to others in the next generation.
        return Ok(());
    }
    heartbeats(session, None).await
}

/// Has the user give partitions up, and lives on meanwhile.
async fn give_up(session: &mut Session, revoked: Partitions) -> Result<(), Interrupted> {
    if revoked.is_empty() {
        return Ok(());
    }
    let done = session.announce(ChangeKind::Revoked, revoked.clone()).await;
    heartbeats(session, Some(done)).await?;
    session.owned.retain(|place| !revoked.contains(place));
    Ok(())
}

async fn join(session: &mut Session, assignor: Assignor) -> Result<JoinGroupResponse, Interrupted> {
    loop {
        let response =
            session.ask(Wait::Rebalance, |session, _| request(session, assignor), |told| told.error_code);
        let response = response.await?;
        match response.error_code {
            ErrorCode::NONE => {
                session.identity.lock().member_id.clone_from(&response.member_id);
                return Ok(response);
            }
            ErrorCode::MEMBER_ID_REQUIRED => session.identity.lock().member_id = response.member_id,
            ErrorCode::REBALANCE_IN_PROGRESS => {}
            code => return Err(fenced(session, "joining", code).await),
        }
    }
}

fn request(session: &Session, assignor: Assignor) -> JoinGroupRequest {
    let identity = session.identity.get();
    let subscription = Subscription {
        topics: session.options.topics.clone(),
        owned: session.owned.clone(),
        generation: identity.epoch,
    };
    let metadata = subscription.encode();
    let ms = |duration: std::time::Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    JoinGroupRequest {
        group_id: session.options.group_id.clone(),
        session_timeout_ms: ms(session.options.session_timeout),
        rebalance_timeout_ms: ms(session.options.rebalance_timeout),
        member_id: identity.member_id,
        group_instance_id: session.options.instance_id.clone(),
        protocol_type: PROTOCOL_TYPE.to_owned(),
        protocols: vec![JoinGroupRequestProtocol { name: assignor.name().to_owned(), metadata }],
        reason: None,
    }
}

/// The member's share; `None`: there is another rebalance already.
async fn sync(
    session: &mut Session,
    assignor: Assignor,
    joined: &JoinGroupResponse,
) -> Result<Option<Partitions>, Interrupted> {
    let is_leader = joined.leader == joined.member_id && !joined.skip_assignment;
    let assignments = if is_leader { assign(session, assignor, joined).await? } else { Vec::new() };
    let request = SyncGroupRequest {
        group_id: session.options.group_id.clone(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: session.options.instance_id.clone(),
        protocol_type: Some(PROTOCOL_TYPE.to_owned()),
        protocol_name: joined.protocol_name.clone(),
        assignments,
    };
    let response = session.ask(Wait::Rebalance, |_, _| request.clone(), |told| told.error_code).await?;
    match response.error_code {
        ErrorCode::NONE => Ok(Some(decode_share(&response.assignment))),
        ErrorCode::REBALANCE_IN_PROGRESS => Ok(None),
        code => Err(fenced(session, "fetching its share", code).await),
    }
}

/// Shares for all, by the leader of the generation.
async fn assign(
    session: &Session,
    assignor: Assignor,
    joined: &JoinGroupResponse,
) -> Result<Vec<SyncGroupRequestAssignment>, Interrupted> {
    let said = |bytes: &[u8]| Subscription::decode(bytes);
    let members: assignor::Members =
        joined.members.iter().map(|member| (member.member_id.clone(), said(&member.metadata))).collect();
    let mut counts = BTreeMap::new();
    for topic in members.values().flat_map(|said| &said.topics) {
        if counts.contains_key(topic) {
            continue;
        }
        // A topic that is not there has nothing to be shared.
        if let Ok(known) = session.cluster.look_up(topic).await {
            counts.insert(topic.clone(), i32::try_from(known.partitions.len()).unwrap_or(i32::MAX));
        }
    }
    let shares = assignor::assign(assignor, &members, &counts);
    let shares = shares.into_iter().map(|(member_id, share)| {
        let assignment = encode_share(&share);
        SyncGroupRequestAssignment { member_id, assignment }
    });
    Ok(shares.collect())
}

/// Lives on, until the user has given up what it was asked to; without that, until there is a rebalance.
async fn heartbeats(
    session: &mut Session,
    mut done: Option<oneshot::Receiver<()>>,
) -> Result<(), Interrupted> {
    let until_rebalance = done.is_none();
    let mut next = Instant::now() + session.options.heartbeat_interval;
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            () = ended(&mut done) => return Ok(()),
        }
        next = Instant::now() + session.options.heartbeat_interval;
        let request = |session: &Session, _| {
            let identity = session.identity.get();
            HeartbeatRequest {
                group_id: session.options.group_id.clone(),
                generation_id: identity.epoch,
                member_id: identity.member_id,
                group_instance_id: session.options.instance_id.clone(),
            }
        };
        let response = tokio::select! {
            response = session.ask(Wait::None, request, |told| told.error_code) => response?,
            () = ended(&mut done) => return Ok(()),
        };
        match response.error_code {
            ErrorCode::NONE => {}
            ErrorCode::REBALANCE_IN_PROGRESS if until_rebalance => return Ok(()),
            ErrorCode::REBALANCE_IN_PROGRESS => {}
            code => return Err(fenced(session, "heartbeat", code).await),
        }
    }
}

/// When the user is done; never, if nothing was asked of it.
async fn ended(done: &mut Option<oneshot::Receiver<()>>) {
    match done {
        Some(done) => drop(done.await),
        None => std::future::pending().await,
    }
}

/// The coordinator knows the member no longer, or not in this generation.
async fn fenced(session: &mut Session, what: &'static str, code: ErrorCode) -> Interrupted {
    match code {
        ErrorCode::UNKNOWN_MEMBER_ID => {
            let anew = session.lose().await;
            session.identity.lock().member_id.clear();
            anew
        }
        ErrorCode::ILLEGAL_GENERATION => session.lose().await,
        code => session.refused(what, code),
    }
}
