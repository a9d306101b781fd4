//! What holds an account back for a while, how often its calls failed, and what a person should see to.

use model::{Account, AccountId, Actor, EventKind, Hold, HoldReach, Timestamp, WorkspaceId};
use serde_json::{Value, json};
use sqlx::types::Json;
use uuid::Uuid;

use crate::accounts::AccountRow;
use crate::db::{statements, transaction, write};
use crate::events::account_event;
use crate::{Store, StoreError};

statements! {
    /// The row is locked before its list is read, so that two who hold it at once both stay in it.
    LOCK = concat!("UPDATE accounts SET updated_at = $2 WHERE id = $1 AND (workspace_id = $3 OR $3 IS NULL)
        AND deleted_at IS NULL RETURNING ", crate::accounts::columns!());
    SET = "UPDATE accounts SET holds = $2, campaigns_resumed_at = $3 WHERE id = $1";
    COUNT_FAILURE = "UPDATE accounts SET failures_in_a_row = failures_in_a_row + 1, updated_at = $2 WHERE id = $1
        RETURNING failures_in_a_row";
    CLEAR_FAILURES = "UPDATE accounts SET failures_in_a_row = 0, updated_at = $2
        WHERE id = $1 AND failures_in_a_row > 0";
}

/// Takes holds from an account and gives whether there were any. A person who lets campaigns go on makes those before
/// `now` void for the response rate; the system does not.
pub(crate) fn lift(
    account: &mut Account,
    which: &(dyn Fn(&Hold) -> bool + Send + Sync),
    actor: &str,
    now: Timestamp,
) -> bool {
    let mut campaigns = false;
    let before = account.holds.len();
    account.holds.retain(|hold| {
        let goes = which(hold);
        campaigns |= goes && hold.until > now && hold.reach == HoldReach::Campaigns;
        !goes
    });
    if campaigns && actor != Actor::system().0 {
        account.campaigns_resumed_at = Some(now);
    }
    account.holds.len() < before
}

/// Who changes an account's holds, and how.
struct Work<'a> {
    workspace: Option<WorkspaceId>,
    id: AccountId,
    now: Timestamp,
    actor: &'a str,
}

impl Store {
    /// Holds part of an account's sending back. Of two holds with one reach and rule the later end stays. Gives whether
    /// anything is held longer than before: then it is told as an event. False, too, for an account that is gone.
    pub async fn hold_account(&self, id: AccountId, hold: Hold) -> Result<bool, StoreError> {
        let work = Work { workspace: None, id, now: self.now(), actor: "system" };
        let changed = self.change_holds(&work, |account| hold.add_to(&mut account.holds)).await?;
        Ok(changed.is_some_and(|(_, changed)| changed))
    }

    /// Lifts the holds of an account that `which` names, and tells it as an event. If a person lifts one that held
    /// campaigns, those before now do not count for the response rate any more.
    pub async fn lift_holds(
        &self,
        workspace: WorkspaceId,
        id: AccountId,
        which: impl Fn(&Hold) -> bool + Send + Sync,
        actor: &Actor,
    ) -> Result<Account, StoreError> {
        let work = Work { workspace: Some(workspace), id, now: self.now(), actor: &actor.0 };
        let now = work.now;
        let lifted = self.change_holds(&work, |account| lift(account, &which, &actor.0, now)).await?;
        lifted.map(|(account, _)| account).ok_or(StoreError::NotFound("account"))
    }

    /// Changes an account's holds under its lock; `change` says whether it did anything. None: there is no such account.
    async fn change_holds(
        &self,
        work: &Work<'_>,
        change: impl FnOnce(&mut Account) -> bool + Send,
    ) -> Result<Option<(Account, bool)>, StoreError> {
        let now = work.now.to_datetime();
        let event: Uuid = self.ids.uuid(work.now);
        Ok(transaction!(self.db, tx => {
            let row: Option<AccountRow> = sqlx::query_as(LOCK)
                .bind(work.id.0)
                .bind(now)
                .bind(work.workspace.map(|id| id.0))
                .fetch_optional(&mut *tx)
                .await?;
            let Some(row) = row else { return Ok(None) };
            let mut account = Account::try_from(row)?;
            let changed = change(&mut account);
            if changed {
                sqlx::query(SET)
                    .bind(work.id.0)
                    .bind(Json(&account.holds))
                    .bind(account.campaigns_resumed_at.map(Timestamp::to_datetime))
                    .execute(&mut *tx)
                    .await?;
                account_event!(event, EventKind::AccountHeld, of: account.workspace_id, work.id, by: work.actor, at: work.now, json!({"holds": account.holds}))
                    .execute(&mut *tx)
                    .await?;
            }
            Some((account, changed))
        }))
    }

    /// Counts that a call of the account failed by its own or its provider's fault, and gives how many did in a row.
    pub async fn count_failure(&self, id: AccountId, at: Timestamp) -> Result<u32, StoreError> {
        let failures: Option<i64> = write!(self.db, conn => sqlx::query_scalar(COUNT_FAILURE)
            .bind(id.0).bind(at.to_datetime()).fetch_optional(conn).await)?;
        Ok(u32::try_from(failures.unwrap_or(0)).unwrap_or(u32::MAX))
    }

    /// Remembers that a call of the account went well. No row is written where none failed before.
    pub async fn clear_failures(&self, id: AccountId) -> Result<(), StoreError> {
        let now = self.now().to_datetime();
        write!(self.db, conn => sqlx::query(CLEAR_FAILURES).bind(id.0).bind(now).execute(conn).await.map(drop))?;
        Ok(())
    }

    /// Tells as an event that a person should see to something about an account.
    pub async fn alert_account(&self, account: &Account, data: &Value) -> Result<(), StoreError> {
        let now = self.now();
        write!(self.db, conn => account_event!(self.ids.uuid(now), EventKind::AccountAlert, of: account.workspace_id, account.id, by: "system", at: now, data)
            .execute(conn).await.map(drop))?;
        Ok(())
    }
}
