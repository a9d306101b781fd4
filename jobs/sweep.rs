//! The sweep: finds what is due by its row and not in the queue, because its push was lost.
//!
//! A look costs the same however much waits. What was made since the last looks is looked at soon after; all the rest takes
//! turns, the head of each conversation and class, a page in each round. So where no more than a page waits, every round
//! looks at all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Class, Subject, Timestamp};
use store::{PendingSend, Store, Walk};

use crate::App;
use crate::recovery::{PAGE, RecoveryError};

/// How many pages of new rows of a class a round looks at; the rest is looked at in the next.
const PAGES: usize = 5;
/// What was made so long before the last look is looked at again: clocks differ, and a row shows when it is committed.
const OVERLAP: Duration = Duration::from_secs(10);
/// Where a new leader begins to look at what is new.
const FIRST: Duration = Duration::from_mins(10);

/// How far the looks have come.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    walk: Walk,
    made: BTreeMap<Class, Subject>,
}

impl Sweep {
    /// One round: pushes what was due `grace` ago and what the queue does not hold.
    pub(crate) async fn round(&mut self, app: &App, grace: Duration) -> Result<(), RecoveryError> {
        let due = app.clock.now() - grace;
        for class in Class::ALL {
            self.look_at_new(app, *class, due).await?;
        }
        let (heads, walk) = app.store.due_heads(due, self.walk.clone(), PAGE).await?;
        push(app, &heads).await?;
        self.walk = if walk.is_over() { Walk::default() } else { walk };
        Ok(())
    }

    async fn look_at_new(&mut self, app: &App, class: Class, due: Timestamp) -> Result<(), RecoveryError> {
        let seen = Store::made_since(due - OVERLAP);
        let mut after = self.made.get(&class).copied().unwrap_or_else(|| Store::made_since(due - FIRST));
        for _ in 0..PAGES {
            let mut page = app.store.unfinished_sends(class, Some(after), PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            after = page.last().filter(|_| !is_last).map_or(seen, |last| last.subject);
            page.retain(|send| send.ready_at <= due);
            push(app, &page).await?;
            if is_last {
                break;
            }
        }
        // Whatever is younger has its look still to come.
        let next = if after.id() < seen.id() { after } else { seen };
        self.made.insert(class, next);
        Ok(())
    }
}

async fn push(app: &App, sends: &[PendingSend]) -> Result<(), RecoveryError> {
    if sends.is_empty() {
        return Ok(());
    }
    let found = app.lanes.push_if_absent(sends.iter().map(|send| app.push_of(send)).collect()).await?;
    if found > 0 {
        metrics::counter!("rookery_swept_jobs_total").increment(found as u64);
        tracing::info!(found, "messages or actions were due that the queue did not hold");
    }
    Ok(())
}
