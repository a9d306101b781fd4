//! Dead jobs: what was given up on, kept as rows until a person retries or discards it; and the count that gets a job
//! there when it takes its workers down with it.

use model::{MessageId, Status, Timestamp, WorkspaceId};
use serde::Serialize;
use sqlx::FromRow;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, write};
use crate::{Store, StoreError};

statements! {
    INSERT = "INSERT INTO dead_jobs (job, workspace_id, queue, lane, reason, died_at) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (job) DO UPDATE SET reason = excluded.reason, died_at = excluded.died_at";
    LIST = "SELECT job, queue, lane, reason, died_at FROM dead_jobs WHERE job > $1
        AND (queue = $2 OR $2 IS NULL) AND (lane = $3 OR $3 IS NULL) ORDER BY job LIMIT $4";
    ONE = "SELECT job, queue, lane, reason, died_at FROM dead_jobs WHERE job = $1";
    DELETE = "DELETE FROM dead_jobs WHERE job = $1";
    LOSS = "INSERT INTO job_losses (job, losses, noted, last_at) VALUES ($1, 1, $3, $2)
        ON CONFLICT (job) DO UPDATE SET losses = job_losses.losses
            + CASE WHEN job_losses.noted = excluded.noted THEN 0 ELSE 1 END,
            noted = excluded.noted, last_at = excluded.last_at RETURNING losses";
    FATE = "SELECT workspace_id, status, reason FROM messages WHERE id = $1";
    FORGET = "DELETE FROM job_losses WHERE job = $1";
}

/// A job that was given up on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadJob {
    /// Its id, `verb-noun:row id`.
    pub job: String,
    /// Its queue.
    pub queue: String,
    /// Its lane.
    pub lane: String,
    /// Why.
    pub reason: String,
    /// When.
    pub died_at: Timestamp,
}

/// Which dead jobs.
#[derive(Debug, Clone, Default)]
pub struct DeadJobFilter {
    /// Of this queue.
    pub queue: Option<String>,
    /// Of this lane.
    pub lane: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// Its tenant.
    pub workspace_id: WorkspaceId,
    /// Where it stands.
    pub status: Status,
    /// Why: a stable word, a colon, more words.
    pub reason: Option<String>,
}

#[derive(FromRow)]
struct Row {
    job: String,
    queue: String,
    lane: String,
    reason: String,
    died_at: DateTime<Utc>,
}

impl From<Row> for DeadJob {
    fn from(row: Row) -> Self {
        Self {
            job: row.job,
            queue: row.queue,
            lane: row.lane,
            reason: row.reason,
            died_at: row.died_at.into(),
        }
    }
}

impl Store {
    /// Records that a job was given up on.
    pub async fn bury_job(
        &self,
        workspace: Option<WorkspaceId>,
        job: &str,
        queue: &str,
        lane: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        let now = self.now().to_datetime();
        write!(self.db, conn => sqlx::query(INSERT)
            .bind(job)
            .bind(workspace.map(|id| id.0))
            .bind(queue)
            .bind(lane)
            .bind(reason)
            .bind(now)
            .execute(conn).await.map(drop))?;
        Ok(())
    }

    /// The dead jobs in order of their ids, after `after`.
    pub async fn dead_jobs(
        &self,
        filter: &DeadJobFilter,
        after: &str,
        most: u32,
    ) -> Result<Vec<DeadJob>, StoreError> {
        let rows: Vec<Row> = read!(self.db, conn => sqlx::query_as(LIST)
            .bind(after)
            .bind(&filter.queue)
            .bind(&filter.lane)
            .bind(i64::from(most))
            .fetch_all(conn).await)?;
        Ok(rows.into_iter().map(DeadJob::from).collect())
    }

    /// A dead job.
    pub async fn dead_job(&self, job: &str) -> Result<Option<DeadJob>, StoreError> {
        let row: Option<Row> =
            read!(self.db, conn => sqlx::query_as(ONE).bind(job).fetch_optional(conn).await)?;
        Ok(row.map(DeadJob::from))
    }

    /// What became of the message that a job was for, whatever its workspace.
    pub async fn fate_of_message(&self, id: MessageId) -> Result<Option<Fate>, StoreError> {
        let row: Option<(Uuid, String, Option<String>)> =
            read!(self.db, conn => sqlx::query_as(FATE).bind(id.0).fetch_optional(conn).await)?;
        row.map(|(workspace, status, reason)| {
            Ok(Fate { workspace_id: workspace.into(), status: status.parse()?, reason })
        })
        .transpose()
    }

    /// Forgets a dead job and its losses; false if there was none.
    pub async fn unbury_job(&self, job: &str) -> Result<bool, StoreError> {
        let deleted = write!(self.db, conn => sqlx::query(DELETE)
            .bind(job).execute(conn).await.map(|done| done.rows_affected()))?;
        self.forget_losses(job).await?;
        Ok(deleted > 0)
    }

    /// Counts that a worker died while it had this job, which the queue says is its `lost`th; gives how many did so far. A
    /// handler that failed comes again with the same number, which counts once.
    pub async fn count_loss(&self, job: &str, lost: u32) -> Result<i64, StoreError> {
        let now = self.now().to_datetime();
        Ok(write!(self.db, conn => sqlx::query_scalar(LOSS).bind(job).bind(now).bind(i64::from(lost))
            .fetch_one(conn).await)?)
    }

    /// The job came through: its losses do not count any more.
    pub async fn forget_losses(&self, job: &str) -> Result<(), StoreError> {
        write!(self.db, conn => sqlx::query(FORGET).bind(job).execute(conn).await.map(drop))?;
        Ok(())
    }
}
