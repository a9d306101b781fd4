//! Telegram's limits, kept for real: 30 messages a second for a bot, one a second for a chat, 20 a minute for a
//! group.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Refusal;
use super::state::Bot;

/// Telegram says "about": times on the wire jitter, so a window counts as over a little before it is.
const SLACK: f64 = 0.95;

/// Admits a message to `chat` now, or refuses it. `scale` divides the windows.
pub(crate) fn admit(bot: &mut Bot, chat: i64, now: Instant, scale: f64) -> Result<(), Refusal> {
    let window = |seconds: f64| Duration::from_secs_f64(seconds * SLACK / scale);
    let group = matches!(bot.chat(chat).kind, "group" | "supergroup");
    let mut wait = over(&mut bot.sends, now, 30, window(1.0), window(1.0));
    let sends = &mut bot.chat(chat).sends;
    wait = wait.max(over(sends, now, 1, window(1.0), window(60.0)));
    if group {
        wait = wait.max(over(sends, now, 20, window(60.0), window(60.0)));
    }
    if let Some(wait) = wait {
        return Err(Refusal::too_many(wait.as_secs() + 1));
    }
    bot.sends.push_back(now);
    bot.chat(chat).sends.push_back(now);
    Ok(())
}

/// How long until one more fits, if it does not fit now: at most `count` in every `window`. What is older than `keep`
/// is forgotten.
fn over(
    sends: &mut VecDeque<Instant>,
    now: Instant,
    count: usize,
    window: Duration,
    keep: Duration,
) -> Option<Duration> {
    while sends.front().is_some_and(|&at| now.duration_since(at) >= keep) {
        sends.pop_front();
    }
    let blocking = sends.iter().rev().nth(count - 1)?;
    let free = *blocking + window;
    (free > now).then(|| free - now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulators::telegram::state::Chat;

    #[test]
    fn the_31st_message_of_a_second_is_refused() {
        let mut bot = Bot::new(1);
        let start = Instant::now();
        for id in 0..31 {
            bot.chats.insert(id, Chat::new(id, "private", "p"));
        }
        for id in 0..30 {
            assert_eq!(admit(&mut bot, id, start, 1.0), Ok(()));
        }
        assert_eq!(admit(&mut bot, 30, start, 1.0), Err(Refusal::too_many(1)));
        assert_eq!(admit(&mut bot, 30, start + Duration::from_secs(1), 1.0), Ok(()));
    }

    #[test]
    fn a_group_takes_twenty_a_minute_and_one_a_second() {
        let mut bot = Bot::new(1);
        bot.chats.insert(-1, Chat::new(-1, "supergroup", "g"));
        let start = Instant::now();
        for n in 0..20 {
            let at = start + Duration::from_secs(n);
            assert_eq!(admit(&mut bot, -1, at, 1.0), Ok(()));
            assert_eq!(
                admit(&mut bot, -1, at + Duration::from_millis(500), 1.0),
                Err(Refusal::too_many(if n < 19 { 1 } else { 38 }))
            );
        }
        assert_eq!(admit(&mut bot, -1, start + Duration::from_mins(1), 1.0), Ok(()));
    }
}
