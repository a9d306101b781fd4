//! Messages that wait, asked at random moments why and until when; and when they really left.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Clock, Ids, SystemClock, Timestamp};
use serde_json::{Value, json};
use tests::harness::{Installation, until};

use super::{arrivals, hand_in, text, time, unbroken, write_first};

/// The head of a lane leaves within this of what was said.
const HEAD: f64 = 1.0;
/// The others within this share of their wait, and what asking and sending take.
const SHARE: f64 = 0.1;
const ALLOWANCE: f64 = 0.25;

/// What was said of a message.
#[derive(Debug)]
struct Said {
    id: String,
    asked: Timestamp,
    answered: Timestamp,
    rule: String,
    expected: Option<Timestamp>,
}

/// An account whose messages are watched.
struct Lane<'a> {
    installation: &'a Installation,
    name: &'static str,
    account: String,
    said: Vec<Said>,
    /// What was said before is not judged: something came that nobody could know.
    from: Timestamp,
}

pub async fn come_true(installation: &Installation) {
    let wrong = tokio::join!(
        mixed(installation),
        unscaled(installation),
        held(installation),
        paused(installation),
        slow(installation),
        quiet(installation),
    );
    let wrong = [wrong.0, wrong.1, wrong.2, wrong.3, wrong.4, wrong.5].concat();
    assert!(wrong.is_empty(), "{wrong:#?}");
    unbroken(installation).await;
}

fn now() -> Timestamp {
    SystemClock.now()
}

impl<'a> Lane<'a> {
    async fn open(installation: &'a Installation, name: &'static str, scale: f64) -> Self {
        let account = installation.connect(name, scale, json!({})).await;
        Self { installation, name, account, said: Vec::new(), from: Timestamp::ZERO }
    }

    fn body(&self, to: &str, purpose: &str) -> Value {
        let words = format!("For {to}: {:x}.", Ids::from_os().number());
        text(&self.account, to, &words, purpose)
    }

    async fn queue(&self, messages: &[(&str, &str)]) -> Vec<String> {
        let bodies: Vec<_> = messages.iter().map(|(to, purpose)| self.body(to, purpose)).collect();
        let messages = hand_in(self.installation.api(), &bodies).await;
        messages.iter().map(|message| message["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Asks about all that wait, in turn by the list and one by one; gives how many there are.
    async fn ask(&mut self) -> usize {
        let api = self.installation.api();
        let mut waiting = 0;
        for status in ["queued", "scheduled"] {
            let path = format!("/v1/messages?account_id={}&status={status}&limit=200", self.account);
            let asked = now();
            let rows = api.get(&path).await["data"].as_array().unwrap().clone();
            waiting += rows.len();
            self.said.extend(rows.iter().filter_map(|row| Said::of(row, asked)));
            if let Some(row) = rows.get(pick(rows.len())) {
                let asked = now();
                let row = api.get(&format!("/v1/messages/{}", row["id"].as_str().unwrap())).await;
                self.said.extend(Said::of(&row, asked));
            }
        }
        waiting
    }

    /// Asks at random moments until so many or fewer wait.
    async fn watch(&mut self, left: usize) {
        loop {
            let waiting = self.ask().await;
            if waiting <= left {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200 + Ids::from_os().number() % 1_000)).await;
        }
    }

    /// Something nobody could know came: what was said before is void.
    fn forget(&mut self) {
        self.from = now();
    }

    /// Compares what was said with what the sandbox saw, and gives what did not come true.
    async fn judge(self) -> Vec<String> {
        let installation = self.installation;
        until("all have arrived", async || {
            let arrived = arrivals(installation).await;
            self.said.iter().all(|said| arrived.contains_key(&said.id)).then_some(())
        })
        .await;
        let arrived = arrivals(installation).await;
        let own: BTreeMap<_, _> =
            self.said.iter().map(|said| (said.id.as_str(), arrived[&said.id])).collect();
        let (mut heads, mut others, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for said in self.said.iter().filter(|said| said.asked >= self.from) {
            let left = own[said.id.as_str()];
            if left <= said.answered {
                continue;
            }
            let expected =
                said.expected.unwrap_or_else(|| panic!("{}: no time was said: {said:?}", self.name));
            let (error, wait) = (seconds(expected, left), seconds(left, said.asked).abs());
            let is_head = own.values().filter(|at| **at > said.answered).min() == Some(&left);
            let (errors, most) =
                if is_head { (&mut heads, HEAD) } else { (&mut others, SHARE * wait + ALLOWANCE) };
            errors.push(error.abs());
            if error.abs() > most {
                wrong.push(format!(
                    "said {error:+.3} s late ({}), with a wait of {wait:.3} s, head: {is_head}",
                    said.rule
                ));
            }
        }
        println!(
            "{}: heads {} (worst {:.3} s), others {} (worst {:.3} s)",
            self.name,
            heads.len(),
            worst(&heads),
            others.len(),
            worst(&others)
        );
        assert!(!heads.is_empty(), "{}: nothing was asked in time", self.name);
        wrong
    }
}

impl Said {
    /// None of one that has left.
    fn of(row: &Value, asked: Timestamp) -> Option<Self> {
        let expected = &row["expected_at"];
        Some(Self {
            id: row["id"].as_str().unwrap().to_owned(),
            asked,
            answered: now(),
            rule: row["waiting"]["rule"].as_str()?.to_owned(),
            expected: (!expected.is_null()).then(|| time(expected)),
        })
    }
}

/// Of every purpose, several to some chats; a reply comes in between and overtakes.
async fn mixed(installation: &Installation) -> Vec<String> {
    let mut lane = Lane::open(installation, "mixed", 3.0).await;
    write_first(installation, &lane.account, "mixed", vec!["anna".to_owned(), "boris".to_owned()]).await;
    let mut messages = Vec::new();
    let chats: Vec<_> = (0..8).map(|n| format!("customer-{n}")).collect();
    for n in 0..14 {
        let purpose = ["campaign", "transactional", "campaign", "conversation"][n % 4];
        messages.push((chats[n * 5 % 8].as_str(), purpose));
    }
    messages.extend([("anna", "conversation"), ("boris", "conversation"), ("boris", "campaign")]);
    lane.queue(&messages).await;
    lane.watch(9).await;
    let reply = lane.queue(&[("anna", "conversation")]).await;
    lane.forget();
    lane.watch(0).await;
    let arrived = arrivals(installation).await;
    let after = lane.said.iter().filter(|said| arrived.get(&said.id) > arrived.get(&reply[0])).count();
    assert!(after > 0, "the reply was not the last one");
    lane.judge().await
}

/// In real time: only heads are near enough to be seen leaving.
async fn unscaled(installation: &Installation) -> Vec<String> {
    let mut lane = Lane::open(installation, "unscaled", 1.0).await;
    lane.queue(&[("a", "transactional"), ("b", "campaign"), ("c", "conversation"), ("a", "transactional")])
        .await;
    lane.watch(0).await;
    lane.judge().await
}

/// The provider holds the account, and one of its recipients for longer.
async fn held(installation: &Installation) -> Vec<String> {
    let mut lane = Lane::open(installation, "held", 5.0).await;
    let to = ["account-limited-3000", "rate-limited-7000", "c", "d", "e", "rate-limited-7000", "f", "g"];
    lane.queue(&to.map(|to| (to, "transactional"))).await;
    for holder in ["account-limited-3000", "rate-limited-7000"] {
        until("the provider has said its word", async || {
            let record = installation.record().await;
            record.iter().any(|call| call["chat"] == holder && call["outcome"] != "accepted").then_some(())
        })
        .await;
        until("it is heard", async || {
            lane.ask().await;
            let is_provider = |said: &&Said| said.rule == "provider" || said.rule == "retry";
            lane.said.iter().rev().take(8).any(|said| is_provider(&said)).then_some(())
        })
        .await;
        lane.forget();
        lane.watch(if holder.starts_with("account") { 7 } else { 0 }).await;
    }
    lane.judge().await
}

/// A person pauses the account and resumes it.
async fn paused(installation: &Installation) -> Vec<String> {
    let api = installation.api();
    let mut lane = Lane::open(installation, "paused", 5.0).await;
    let to = ["a", "b", "c", "d", "e", "f", "g", "h"];
    lane.queue(&to.map(|to| (to, "transactional"))).await;
    lane.watch(6).await;
    api.post(&format!("/v1/accounts/{}/pause", lane.account), &json!({})).await;
    let before = lane.said.len();
    lane.ask().await;
    for said in &lane.said[before..] {
        assert_eq!((said.rule.as_str(), said.expected), ("paused", None), "{said:?}");
    }
    api.post(&format!("/v1/accounts/{}/resume", lane.account), &json!({})).await;
    lane.forget();
    lane.watch(0).await;
    lane.judge().await
}

/// A provider that takes its time: after some calls it is known how much.
async fn slow(installation: &Installation) -> Vec<String> {
    let mut lane = Lane::open(installation, "slow", 5.0).await;
    let to: Vec<_> = (0..11).map(|n| format!("slow-1500-{n}")).collect();
    let messages: Vec<_> = to.iter().map(|to| (to.as_str(), "transactional")).collect();
    lane.queue(&messages).await;
    lane.watch(5).await;
    lane.forget();
    lane.watch(0).await;
    lane.judge().await
}

/// Campaigns wait for their hours, and one message for its time.
async fn quiet(installation: &Installation) -> Vec<String> {
    // An hour takes 2.5 s.
    let scale = 1_440_u32;
    let mut lane = Lane::open(installation, "quiet", f64::from(scale)).await;
    let path = format!("/v1/accounts/{}", lane.account);
    let created = time(&installation.api().get(&path).await["created_at"]);
    let minute = (created + now().since(created) * scale).as_micros() / 60_000_000;
    let hour = |minute: i64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
    let hours = json!({"campaigns_from": hour(minute + 4 * 60), "campaigns_until": hour(minute + 18 * 60)});
    let answer = installation.api().call("PATCH", &path, &json!({"pacing": {"quiet_hours": hours}})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    lane.queue(&["a", "b", "c", "d"].map(|to| (to, "campaign"))).await;
    let mut later = lane.body("e", "transactional");
    later["send_at"] = json!(now() + Duration::from_secs(6));
    installation.api().post("/v1/messages", &later).await;
    lane.ask().await;
    for rule in ["quiet_hours", "scheduled"] {
        assert!(lane.said.iter().any(|said| said.rule == rule), "{rule}: {:#?}", lane.said);
    }
    lane.watch(0).await;
    lane.judge().await
}

fn pick(count: usize) -> usize {
    usize::try_from(Ids::from_os().number() % count.max(1) as u64).unwrap()
}

/// From one to the other, less than 0 if it came before.
fn seconds(later: Timestamp, earlier: Timestamp) -> f64 {
    let forward = later.since(earlier).as_secs_f64();
    if later >= earlier { forward } else { -earlier.since(later).as_secs_f64() }
}

fn worst(errors: &[f64]) -> f64 {
    errors.iter().copied().fold(0.0, f64::max)
}
