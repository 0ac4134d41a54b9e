//! The classic protocol: join, sync, heartbeat, until there is a rebalance.

use std::{future::pending, pin::pin, time::Duration};

use kafka_wire::{
    ErrorCode, Request,
    messages::{
        HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, SyncGroupRequest,
        join_group::JoinGroupRequestProtocol,
    },
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Assignor, ChangeKind, Partitions,
    embedded::{Subscription, decode_share},
    leader::Leader,
    membership::Identity,
    session::{Interrupted, Session},
};

/// Groups of consumers call their kind of protocol so.
const PROTOCOL_TYPE: &str = "consumer";

/// On top of the rebalance timeout, for whoever waits for a rebalance to end.
const REBALANCE_SLACK: Duration = Duration::from_secs(5);

/// Goes from generation to generation, until the member cannot go on.
pub(super) async fn live(session: &mut Session, assignor: Assignor) -> Interrupted {
    loop {
        if let Err(interrupted) = generation(session, assignor).await {
            return interrupted;
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
    let leader = lead(session, &joined).await?;
    let Some(share) = sync(session, assignor, &joined, leader.as_ref()).await? else { return Ok(()) };
    session.membership.change(|identity| identity.epoch = joined.generation_id);
    let revoked: Partitions = session.owned.difference(&share).cloned().collect();
    let assigned: Partitions = share.difference(&session.owned).cloned().collect();
    let gives_up = !revoked.is_empty();
    give_up(session, revoked).await?;
    session.take(assigned).await;
    if gives_up {
        // What was given up goes to others in the next generation.
        return Ok(());
    }
    session.parking.forget();
    let outdated = async {
        match &leader {
            Some(leader) => leader.outdated(&session.cluster).await,
            None => pending().await,
        }
    };
    tokio::select! {
        rebalance = heartbeats(session, None) => rebalance,
        () = outdated => Ok(()),
    }
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

async fn join(session: &Session, assignor: Assignor) -> Result<JoinGroupResponse, Interrupted> {
    let mut failures = 0;
    loop {
        let (request, generation) = (request(session, assignor), session.membership.identity().epoch);
        let response = wait(session, generation, &request, |told| told.error_code).await?;
        match response.error_code {
            ErrorCode::NONE => {
                session.membership.change(|identity| identity.member_id.clone_from(&response.member_id));
                return Ok(response);
            }
            ErrorCode::MEMBER_ID_REQUIRED if request.member_id.is_empty() => {
                session.membership.change(|identity| identity.member_id = response.member_id);
            }
            ErrorCode::REBALANCE_IN_PROGRESS => {
                failures += 1;
                sleep(session.cluster.backoff(failures)).await;
            }
            code => return Err(fenced(session, "joining", code)),
        }
    }
}

/// Asks for what the coordinator answers when the others have come, and lives on in this generation meanwhile.
async fn wait<R: Request>(
    session: &Session,
    generation: i32,
    request: &R,
    told: impl Fn(&R::Response) -> ErrorCode,
) -> Result<R::Response, Interrupted> {
    let patience = session.options.rebalance_timeout + REBALANCE_SLACK;
    let mut failures = 0;
    loop {
        let sent = Instant::now();
        let heard = tokio::select! {
            answered = session.parking.call(request, i16::MAX, patience, &told) => {
                session.heard(sent, answered, &told)?
            }
            cut_off = heartbeats_meanwhile(session, generation) => {
                cut_off?;
                session.parking.forget();
                None
            }
        };
        if let Some(response) = heard {
            return Ok(response);
        }
        failures += 1;
        sleep(session.cluster.backoff(failures)).await;
    }
}

/// Lives on while something is waited for. Ends when no heartbeat gets through: what is waited for will not come either. Who is
/// in no generation has nothing to lose, and waits.
async fn heartbeats_meanwhile(session: &Session, generation: i32) -> Result<(), Interrupted> {
    if generation < 0 {
        return pending().await;
    }
    loop {
        sleep(session.heartbeat_interval(session.options.heartbeat_interval)).await;
        let (sent, request) = (Instant::now(), heartbeat(session, generation));
        let answered = session.link.call(&request, i16::MAX, Duration::ZERO, |told| told.error_code).await;
        // Told that the generation is over, it waits on: the answer to what it waits for is on its way, and says more.
        if session.heard(sent, answered, |told| told.error_code)?.is_none() {
            return Ok(());
        }
    }
}

fn heartbeat(session: &Session, generation_id: i32) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: session.options.group_id.clone(),
        generation_id,
        member_id: session.membership.identity().member_id,
        group_instance_id: session.options.instance_id.clone(),
    }
}

fn request(session: &Session, assignor: Assignor) -> JoinGroupRequest {
    let identity = session.membership.identity();
    let subscription = Subscription {
        topics: session.options.topics.clone(),
        owned: session.owned.clone(),
        generation: identity.epoch,
    };
    let metadata = subscription.encode();
    let ms = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
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

/// What the leader of the generation knows; `None`: another member leads.
async fn lead(session: &Session, joined: &JoinGroupResponse) -> Result<Option<Leader>, Interrupted> {
    if joined.leader != joined.member_id {
        return Ok(None);
    }
    let mut looking = pin!(Leader::look(&session.cluster, &joined.members));
    loop {
        tokio::select! {
            leader = &mut looking => return Ok(Some(leader)),
            // A coordinator that is gone is looked for when the shares are fetched.
            cut_off = heartbeats_meanwhile(session, joined.generation_id) => cut_off?,
        }
    }
}

/// The member's share; `None`: there is another rebalance already.
async fn sync(
    session: &Session,
    assignor: Assignor,
    joined: &JoinGroupResponse,
    leader: Option<&Leader>,
) -> Result<Option<Partitions>, Interrupted> {
    let generation_id = joined.generation_id;
    let leader = leader.filter(|_| !joined.skip_assignment);
    let assignments = leader.map(|leader| leader.shares(assignor)).unwrap_or_default();
    let request = SyncGroupRequest {
        group_id: session.options.group_id.clone(),
        generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: session.options.instance_id.clone(),
        protocol_type: Some(PROTOCOL_TYPE.to_owned()),
        protocol_name: joined.protocol_name.clone(),
        assignments,
    };
    let response = wait(session, generation_id, &request, |told| told.error_code).await?;
    match response.error_code {
        ErrorCode::NONE => Ok(Some(decode_share(&response.assignment))),
        ErrorCode::REBALANCE_IN_PROGRESS => Ok(None),
        code => Err(fenced(session, "fetching its share", code)),
    }
}

/// Lives on, until the user has given up what it was asked to; without that, until there is a rebalance.
async fn heartbeats(session: &Session, mut done: Option<oneshot::Receiver<()>>) -> Result<(), Interrupted> {
    let until_rebalance = done.is_none();
    let interval = session.heartbeat_interval(session.options.heartbeat_interval);
    let mut next = Instant::now() + interval;
    loop {
        tokio::select! {
            () = sleep_until(next) => {}
            () = ended(&mut done) => return Ok(()),
        }
        next = Instant::now() + interval;
        let generation = session.membership.identity().epoch;
        let response = tokio::select! {
            response = session.ask(|_| heartbeat(session, generation), |told| told.error_code) => response?,
            () = ended(&mut done) => return Ok(()),
        };
        match response.error_code {
            ErrorCode::NONE => {}
            ErrorCode::REBALANCE_IN_PROGRESS if until_rebalance => return Ok(()),
            ErrorCode::REBALANCE_IN_PROGRESS => {}
            code => return Err(fenced(session, "heartbeat", code)),
        }
    }
}

/// When the user is done; never, if nothing was asked of it.
async fn ended(done: &mut Option<oneshot::Receiver<()>>) {
    match done {
        Some(done) => drop(done.await),
        None => pending().await,
    }
}

/// The coordinator knows the member no longer, or not in this generation.
fn fenced(session: &Session, what: &'static str, code: ErrorCode) -> Interrupted {
    match code {
        ErrorCode::UNKNOWN_MEMBER_ID => {
            session.membership.change(|identity| *identity = Identity::NOBODY);
            Interrupted::Anew
        }
        ErrorCode::ILLEGAL_GENERATION => Interrupted::Anew,
        code => session.refused(what, code),
    }
}
