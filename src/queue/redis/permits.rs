//! Permits in Redis: a script of their own, since they belong to no lane and outlive an epoch.

use model::Timestamp;
use redis::Value;

use super::{RedisEngine, script};
use crate::permits::FORFEIT;
use crate::{LaneId, Permit, QueueError, Quota};

const SOURCE: &str = include_str!("permit.lua");

impl RedisEngine {
    pub(super) async fn ask_permit(
        &self,
        bucket: &str,
        quota: Quota,
        lane: &LaneId,
    ) -> Result<Permit, QueueError> {
        let answer = self.bucket(bucket, quota, &format!("{}:{}", lane.queue, lane.name), 0).await?;
        let misfit = || QueueError::Unreachable("Redis answered a permit otherwise than asked".to_owned());
        let at = match answer {
            Value::Int(at) => at,
            Value::BulkString(digits) => {
                std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok()).ok_or_else(misfit)?
            }
            _ => return Err(misfit()),
        };
        Ok(if at == 0 { Permit::Taken } else { Permit::At(Timestamp::from_micros(at)) })
    }

    pub(super) async fn block_bucket(&self, bucket: &str, until: Timestamp) -> Result<(), QueueError> {
        // The quota counts for nothing here.
        let quota = Quota { period: std::time::Duration::ZERO, burst: 1 };
        self.bucket(bucket, quota, "", until.as_micros()).await.map(drop)
    }

    /// What the keys of buckets begin with.
    pub(super) fn permits(&self) -> String {
        format!("{}permits:", self.base)
    }

    async fn bucket(&self, bucket: &str, quota: Quota, lane: &str, block: i64) -> Result<Value, QueueError> {
        let reached = self.link.reach().await?;
        let key = format!("{}{bucket}", self.permits());
        let mut call = script(SOURCE, &[&key, &format!("{key}:turns")]);
        call.arg(lane)
            .arg(quota.period_micros())
            .arg(quota.slack_micros())
            .arg(u64::try_from(FORFEIT.as_micros()).unwrap_or(u64::MAX))
            .arg(self.skew())
            .arg(block);
        Ok(self.link.ask(&reached, &call).await?)
    }
}
