//! Messages that wait, asked at random moments why and until when; and when they really left.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Clock, Ids, SystemClock, Timestamp};
use serde_json::{Value, json};
use tests::harness::{Installation, until};

use super::{Round, arrivals, hand_in, text, time, write_first};

/// The head of a lane leaves within this of what was said.
const HEAD: f64 = 1.0;
/// The others within this share of their wait; of a short one a quarter of what the head may take, since asking and
/// sending take time.
const SHARE: f64 = 0.1;
const SHORT: f64 = 0.25;

/// How quickly time runs where hours of the day decide: one takes 2.5 s.
const HOURS: f64 = 1_440.0;

/// What was said of a message.
#[derive(Debug)]
struct Said {
    id: String,
    asked: Timestamp,
    answered: Timestamp,
    rule: String,
    purpose: String,
    until: Option<Timestamp>,
    expected: Option<Timestamp>,
}

/// An account whose messages are watched.
struct Lane<'a> {
    installation: &'a Installation,
    name: String,
    account: String,
    said: Vec<Said>,
    /// What was said before is not judged: something came that nobody could know.
    from: Timestamp,
}

/// What was said and did not come true.
pub async fn wrong(installation: &Installation, round: Round) -> Vec<String> {
    let wrong = tokio::join!(
        mixed(installation, round),
        unscaled(installation, round),
        held(installation, round),
        paused(installation, round),
        slow(installation, round),
        quiet(installation, round),
    );
    [wrong.0, wrong.1, wrong.2, wrong.3, wrong.4, wrong.5].concat()
}

fn now() -> Timestamp {
    SystemClock.now()
}

impl<'a> Lane<'a> {
    async fn open(installation: &'a Installation, round: Round, name: &str, scale: f64) -> Self {
        Self::open_with(installation, round, name, scale, json!({})).await
    }

    async fn open_with(
        installation: &'a Installation,
        round: Round,
        name: &str,
        scale: f64,
        more: Value,
    ) -> Self {
        let name = round.name(name);
        let account = installation.connect(&name, round.scale(scale), more).await;
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
            assert_eq!(rivals(&rows), Vec::<u64>::new(), "each has a place of its own: {rows:#?}");
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
            assert!(said.until.is_none_or(|until| until <= expected), "{}: {said:?}", self.name);
            let wait = seconds(left, said.asked).abs();
            let is_head = own.values().filter(|at| **at > said.answered).min() == Some(&left);
            let (errors, most) =
                if is_head { (&mut heads, HEAD) } else { (&mut others, (SHARE * wait).max(SHORT)) };
            let error = seconds(expected, left);
            errors.push(error.abs() / most);
            if error.abs() > most {
                wrong.push(format!(
                    "{}: {} {}: said {error:+.3} s late ({}), with a wait of {wait:.3} s, head: {is_head}",
                    self.name, said.purpose, said.id, said.rule
                ));
            }
        }
        println!(
            "{}: heads {} (worst {:.3} s of 1 s), others {} (worst {:.0} % of what they may)",
            self.name,
            heads.len(),
            worst(&heads),
            others.len(),
            worst(&others) * 100.0
        );
        assert!(!heads.is_empty(), "{}: nothing was asked in time", self.name);
        wrong
    }
}

impl Said {
    /// None of one that has left.
    fn of(row: &Value, asked: Timestamp) -> Option<Self> {
        let some = |value: &Value| (!value.is_null()).then(|| time(value));
        Some(Self {
            id: row["id"].as_str().unwrap().to_owned(),
            asked,
            answered: now(),
            rule: row["waiting"]["rule"].as_str()?.to_owned(),
            purpose: row["purpose"].as_str()?.to_owned(),
            until: some(&row["waiting"]["until"]),
            expected: some(&row["expected_at"]),
        })
    }
}

/// Of every purpose, several to some chats; a reply comes in between and overtakes.
async fn mixed(installation: &Installation, round: Round) -> Vec<String> {
    // Who is typed longer may begin earlier, which can be too close to tell which class goes first.
    let untyped = json!({"pacing": {"typing": "off"}, "i_accept_the_risk": true});
    let mut lane = Lane::open_with(installation, round, "mixed", 3.0, untyped).await;
    write_first(installation, &lane.account, &lane.name, vec!["anna".to_owned(), "boris".to_owned()]).await;
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
async fn unscaled(installation: &Installation, round: Round) -> Vec<String> {
    let mut lane = Lane::open(installation, round, "unscaled", 1.0).await;
    lane.queue(&[("a", "transactional"), ("b", "campaign"), ("c", "conversation"), ("a", "campaign")]).await;
    lane.watch(0).await;
    lane.judge().await
}

/// The provider holds the account, and one of its recipients for longer.
async fn held(installation: &Installation, round: Round) -> Vec<String> {
    let mut lane = Lane::open(installation, round, "held", 5.0).await;
    // As long as in the first round for the account's own time: its gaps are shorter.
    let held = |word: &str, millis: u64| {
        let time = Duration::from_millis(millis).mul_f64(round.slower);
        round.name(&format!("{word}-{}", time.as_millis()))
    };
    let holders = [held("account-limited", 3_000), held("rate-limited", 7_000)];
    let [account, chat] = holders.each_ref().map(String::as_str);
    let to = [account, chat, "c", "d", "e", chat, "f", "g"];
    lane.queue(&to.map(|to| (to, "transactional"))).await;
    for holder in [account, chat] {
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
        lane.watch(if holder == account { 7 } else { 0 }).await;
    }
    lane.judge().await
}

/// A person pauses the account and resumes it.
async fn paused(installation: &Installation, round: Round) -> Vec<String> {
    let api = installation.api();
    let mut lane = Lane::open(installation, round, "paused", 5.0).await;
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
async fn slow(installation: &Installation, round: Round) -> Vec<String> {
    let mut lane = Lane::open(installation, round, "slow", 5.0).await;
    let to: Vec<_> = (0..11).map(|n| format!("slow-1500-{n}")).collect();
    let messages: Vec<_> = to.iter().map(|to| (to.as_str(), "transactional")).collect();
    lane.queue(&messages).await;
    lane.watch(5).await;
    lane.forget();
    lane.watch(0).await;
    lane.judge().await
}

/// Campaigns wait for their hours, and one message for its time. They lie so far apart that it is not the machine that is
/// seen.
async fn quiet(installation: &Installation, round: Round) -> Vec<String> {
    let mut lane = Lane::open(installation, round, "quiet", HOURS).await;
    let path = format!("/v1/accounts/{}", lane.account);
    let created = time(&installation.api().get(&path).await["created_at"]);
    let minute = (created + now().since(created).mul_f64(round.scale(HOURS))).as_micros() / 60_000_000;
    let hour = |minute: i64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
    let hours = json!({"campaigns_from": hour(minute + 4 * 60), "campaigns_until": hour(minute + 18 * 60)});
    // Who is typed longer would begin some milliseconds earlier, which is too close to tell who goes first.
    let mut pacing = json!({"quiet_hours": hours, "gap_bulk": {"min_s": 720, "max_s": 1_440}});
    pacing["typing"] = json!("off");
    let change = json!({"pacing": pacing, "i_accept_the_risk": true});
    let answer = installation.api().call("PATCH", &path, &change).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    lane.queue(&["a", "b", "c", "d"].map(|to| (to, "campaign"))).await;
    let mut later = lane.body("e", "transactional");
    later["send_at"] = json!(now() + Duration::from_secs(6).mul_f64(round.slower));
    installation.api().post("/v1/messages", &later).await;
    lane.ask().await;
    for rule in ["quiet_hours", "scheduled"] {
        assert!(lane.said.iter().any(|said| said.rule == rule), "{rule}: {:#?}", lane.said);
    }
    lane.watch(0).await;
    lane.judge().await
}

/// The places that more than one message of a lane says it has.
fn rivals(rows: &[Value]) -> Vec<u64> {
    let place = |row: &Value| {
        let words = row["waiting"]["detail"].as_str()?;
        let before = words.strip_suffix(" of the account goes before it.");
        let before = before.or_else(|| words.strip_suffix(" of the account go before it."));
        let count = before.and_then(|words| words.split(' ').rev().nth(1)?.parse().ok());
        count.or_else(|| words.contains("It goes next.").then_some(0))
    };
    let mut places: Vec<u64> = rows.iter().filter_map(place).collect();
    places.sort_unstable();
    places.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
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
