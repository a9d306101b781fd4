//! How long sends take besides their pace: what the last ones took.

use std::time::Duration;

use model::{AccountId, Scope, Timestamp, Wait};
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements};
use crate::{Store, StoreError};

/// Fewer sends of its own, or of others, say too little.
const ENOUGH: usize = 3;
const ENOUGH_PEERS: usize = 20;

/// What took that long was no ordinary send: a worker died, the store was away.
const DISTURBED: Duration = Duration::from_secs(2);

/// Retries and actions became ready at a time that rows do not tell, so nothing is learnt of what lay before them.
macro_rules! sends {
    ($from:literal) => {
        concat!(
            "SELECT t.account_id, t.granted_at, t.started_at, t.ended_at, t.outcome, t.waits, m.queued_at FROM ",
            $from,
            " LEFT JOIN messages m ON m.id = t.subject_id AND t.n = 1
            ORDER BY t.account_id, t.started_at"
        )
    };
}

statements! {
    OWN = sends!("(SELECT * FROM attempts WHERE account_id = $1 ORDER BY started_at DESC LIMIT 40) AS t");
    /// Of the newest of the installation, which costs as much however many there are.
    PEERS = sends!("(SELECT * FROM attempts ORDER BY id DESC LIMIT 400) AS t
        JOIN accounts a ON a.id = t.account_id
        JOIN accounts own ON own.id = $1 AND own.channel = a.channel AND own.workspace_id = a.workspace_id");
}

/// What a send usually takes; none where nothing tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendTimes {
    /// From the commit of the attempt until the provider's answer.
    pub call: Option<Duration>,
    /// From the end of what held it until it was granted.
    pub wake: Option<Duration>,
    /// From the answer to the send before it until it was granted, where nothing else held it.
    pub turn: Option<Duration>,
}

#[derive(FromRow)]
struct Row {
    account_id: Uuid,
    granted_at: DateTime<Utc>,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    outcome: Option<String>,
    waits: Json<Vec<Wait>>,
    queued_at: Option<DateTime<Utc>>,
}

impl Store {
    /// What the account's last sends took; where there are too few, the last ones of its channel in the workspace.
    pub async fn send_times(&self, account: AccountId) -> Result<SendTimes, StoreError> {
        let own: Vec<Row> =
            read!(self.db, conn => sqlx::query_as(OWN).bind(account.0).fetch_all(conn).await)?;
        if own.len() >= ENOUGH {
            return Ok(SendTimes::of(&own));
        }
        let peers: Vec<Row> =
            read!(self.db, conn => sqlx::query_as(PEERS).bind(account.0).fetch_all(conn).await)?;
        Ok(if peers.len() >= ENOUGH_PEERS { SendTimes::of(&peers) } else { SendTimes::default() })
    }
}

impl SendTimes {
    fn of(sends: &[Row]) -> Self {
        let (mut calls, mut wakes, mut turns) = (Vec::new(), Vec::new(), Vec::new());
        for send in sends.iter().filter(|send| send.outcome.as_deref() == Some("accepted")) {
            calls.extend(send.ended_at.and_then(|end| (end - send.started_at).to_std().ok()));
        }
        for pair in sends.windows(2).filter(|pair| pair[0].account_id == pair[1].account_id) {
            let (before, send) = (pair[0].ended_at.map(Timestamp::from), &pair[1]);
            let granted = Timestamp::from(send.granted_at);
            let (Some(before), Some(queued)) = (before, send.queued_at.map(Timestamp::from)) else {
                continue;
            };
            let free =
                send.waits.iter().filter(|wait| wait.scope != Scope::Recipient).filter_map(|wait| wait.until);
            let free = free.filter(|until| *until <= granted).max().unwrap_or_default();
            if queued > before.max(free) || before > granted {
                continue;
            }
            let (since, times) = if free > before { (free, &mut wakes) } else { (before, &mut turns) };
            times.extend(Some(granted.since(since)).filter(|time| *time < DISTURBED));
        }
        Self { call: usual(calls), wake: usual(wakes), turn: usual(turns) }
    }
}

/// A third of them were quicker: moments in which the machine was busy with something else make others slow, never quick.
fn usual(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 3).copied()
}
