//! Queues that an operator paused: rows, because the queue itself may be lost and a pause was acknowledged.

use model::Queue;

use crate::db::{read, statements, write};
use crate::{Store, StoreError};

statements! {
    PAUSE = "INSERT INTO queue_pauses (queue, paused_at) VALUES ($1, $2) ON CONFLICT (queue) DO NOTHING";
    RESUME = "DELETE FROM queue_pauses WHERE queue = $1";
    PAUSED = "SELECT queue FROM queue_pauses ORDER BY queue";
}

impl Store {
    /// Records that nothing of a queue is to be worked on until it is resumed.
    pub async fn pause_queue(&self, queue: Queue) -> Result<(), StoreError> {
        let now = self.now().to_datetime();
        write!(self.db, conn => sqlx::query(PAUSE)
            .bind(queue.as_str()).bind(now).execute(conn).await.map(drop))?;
        Ok(())
    }

    /// Records that a queue is worked on again.
    pub async fn resume_queue(&self, queue: Queue) -> Result<(), StoreError> {
        write!(self.db, conn => sqlx::query(RESUME).bind(queue.as_str()).execute(conn).await.map(drop))?;
        Ok(())
    }

    /// The queues that are paused.
    pub async fn paused_queues(&self) -> Result<Vec<Queue>, StoreError> {
        let names: Vec<String> = read!(self.db, conn => sqlx::query_scalar(PAUSED).fetch_all(conn).await)?;
        names.iter().map(|name| Ok(name.parse()?)).collect()
    }
}
