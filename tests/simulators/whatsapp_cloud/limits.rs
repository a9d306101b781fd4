//! The limits of a number: 80 messages a second, and to one person one each 6 s, with 45 at once that are borrowed from
//! later.

use std::time::Duration;

use tokio::time::Instant;

use super::Options;
use super::state::Number;
use crate::simulators::meta::Refusal;

/// Tokens that come back with time.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// When it will be full again.
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes one, if there is one: `size` at most, one more each `each`.
    fn take(&mut self, at: Instant, size: u32, each: Duration) -> bool {
        let full_at = self.full_at.map_or(at, |full_at| full_at.max(at)) + each;
        let taken = full_at - at <= each * size;
        if taken {
            self.full_at = Some(full_at);
        }
        taken
    }
}

/// Takes a message into account, or refuses it.
pub(super) fn admit(number: &mut Number, to: &str, at: Instant, options: Options) -> Result<(), Refusal> {
    if !options.enforce_limits {
        return Ok(());
    }
    let scaled = |seconds: f64| Duration::from_secs_f64(seconds / options.time_scale);
    if !number.throughput.take(at, 80, scaled(1.0 / 80.0)) {
        let refusal = Refusal::new(400, 130_429, "(#130429) Rate limit hit");
        return Err(refusal.with_details("Cloud API message throughput has been reached."));
    }
    if !number.pairs.entry(to.to_owned()).or_default().take(at, 45, scaled(6.0)) {
        let refusal =
            Refusal::new(400, 131_056, "(#131056) (Business Account, Consumer Account) pair rate limit hit");
        return Err(refusal.with_details(
            "Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time.",
        ));
    }
    Ok(())
}
