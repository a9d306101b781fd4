//! What is foretold comes true: a preview is what then happens, and a message leaves when it was said that it would. Real
//! processes; what happened is what the sandbox saw. A target of its own, whose tests take turns: whatever else took the
//! machine's time would make everything late.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

mod preview;
mod told;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::Timestamp;
use serde_json::Value;
use tests::harness::{Api, Installation, at_once, text, unbroken, until};
use tokio::sync::Mutex;

const BINARY: &str = env!("CARGO_BIN_EXE_rookery");

/// Whoever has it measures.
static TURN: Mutex<()> = Mutex::const_new(());

macro_rules! every_installation {
    ($($name:ident),+ $(,)?) => {
        mod embedded { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let _turn = super::TURN.lock().await;
                super::$name(&tests::harness::Installation::embedded(super::BINARY).await).await;
            }
        )+ }

        mod fleet { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let _turn = super::TURN.lock().await;
                if let Some(installation) = tests::harness::Installation::fleet(super::BINARY).await {
                    super::$name(&installation).await;
                }
            }
        )+ }
    };
}

every_installation! {
    a_preview_is_what_then_happens,
    what_is_said_of_a_wait_comes_true,
}

/// On a machine that has no time for us what is wrong is looked at again, so often at most.
const ROUNDS: usize = 3;
/// It has none where somebody stood in line for a processor for more than this share of the time.
const BUSY: f64 = 0.5;

async fn a_preview_is_what_then_happens(installation: &Installation) {
    Box::pin(holds(installation, async |round| preview::wrong(installation, round).await)).await;
}

async fn what_is_said_of_a_wait_comes_true(installation: &Installation) {
    Box::pin(holds(installation, async |round| Box::pin(told::wrong(installation, round)).await)).await;
}

/// A look at everything.
#[derive(Debug, Clone, Copy)]
struct Round {
    number: usize,
    /// By how much slower the accounts' time runs than in the first one.
    slower: f64,
}

impl Round {
    /// What an account is called in it, so that each round has accounts of its own.
    fn name(self, name: &str) -> String {
        format!("{name}-{}", self.number)
    }

    /// How quickly an account's time runs that takes so many times as quick in the first one; never slower than our own.
    fn scale(self, first: f64) -> f64 {
        (first / self.slower).max(1.0)
    }
}

/// What is promised holds to the full in a round. Nobody can foresee that a machine will be busy with something else, which
/// makes everything late; so a round in which it was is no proof. The next one has half as much of the machine in it: the
/// accounts' time runs half as quickly.
async fn holds(installation: &Installation, wrong: impl AsyncFn(Round) -> Vec<String>) {
    let mut slower = 1.0;
    for number in 1.. {
        let (before, began) = (waited_for_processors(), Instant::now());
        let found = wrong(Round { number, slower }).await;
        let waited = waited_for_processors().zip(before).map(|(now, before)| now.saturating_sub(before));
        let busy = waited.map(|waited| waited.as_secs_f64() / began.elapsed().as_secs_f64());
        println!(
            "round {number}: processors were waited for {:.0} % of the time",
            busy.unwrap_or(f64::NAN) * 100.0
        );
        if found.is_empty() {
            return unbroken(installation).await;
        }
        println!("round {number}: {found:#?}");
        slower *= 2.0;
        assert!(number < ROUNDS && busy.is_none_or(|share| share > BUSY), "{found:#?}");
    }
}

/// For how long something stood in line for a processor since the machine started; none where the kernel does not say.
fn waited_for_processors() -> Option<Duration> {
    let pressure = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    let total = pressure.lines().find(|line| line.starts_with("some"))?.rsplit_once("total=")?.1;
    Some(Duration::from_micros(total.trim().parse().ok()?))
}

/// When the sandbox got each message; of one that it was sent twice, when it took it.
async fn arrivals(installation: &Installation) -> BTreeMap<String, Timestamp> {
    let record = installation.record().await;
    let sends = record.iter().filter(|call| call["what"] == "send" && call["outcome"] == "accepted");
    let arrival = |call: &Value| {
        let at = call["arrived_at_us"].as_i64().unwrap();
        (call["client_id"].as_str().unwrap().to_owned(), Timestamp::from_micros(at))
    };
    sends.map(arrival).collect()
}

fn time(value: &Value) -> Timestamp {
    serde_json::from_value(value.clone()).unwrap()
}

/// Lets contacts write to an account, and waits until it heard all of them.
async fn write_first(installation: &Installation, account: &str, name: &str, contacts: Vec<String>) {
    let count = contacts.len();
    let sandbox = installation.sandbox();
    let token = installation.token(name);
    let calls = contacts.into_iter().map(|contact| {
        let (sandbox, token) = (sandbox.clone(), token.clone());
        async move {
            let from = serde_json::json!({"id": contact, "name": contact});
            let content = serde_json::json!({"type": "text", "text": "Hello?"});
            let event =
                serde_json::json!({"token": token, "chat": contact, "from": from, "content": content});
            sandbox.post("/control/inbound", &event).await;
        }
    });
    at_once(16, calls).await;
    until("everybody who wrote was heard", async || {
        let rows = installation.api().all(&format!("/v1/conversations?account_id={account}")).await;
        (rows.len() == count).then_some(())
    })
    .await;
}

/// Hands in messages a hundred at a time, and gives their ids.
async fn hand_in(api: &Api, bodies: &[Value]) -> Vec<Value> {
    let mut messages = Vec::new();
    for bodies in bodies.chunks(100) {
        let answer = api.post("/v1/messages/batch", &serde_json::json!({ "messages": bodies })).await;
        for result in answer["results"].as_array().unwrap() {
            assert_eq!(result["status"], 202, "{result}");
            messages.push(result["message"].clone());
        }
    }
    messages
}
