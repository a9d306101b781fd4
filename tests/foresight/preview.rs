//! Hundreds of messages, first previewed, then sent.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::harness::Installation;

use super::{Round, arrivals, hand_in, text, time, write_first};

/// All must have arrived by then, in the first round.
const PATIENCE: Duration = Duration::from_mins(3);

/// An account whose virtual time is so quick that its messages take about half a minute; yet their pace and not the
/// machine is what they take it for.
struct Case {
    name: &'static str,
    scale: f64,
    messages: usize,
    purpose: &'static str,
    /// The others wrote before.
    new_contacts: usize,
    is_reply: bool,
    /// So many hours before midnight it begins.
    midnight: i64,
    pacing: fn() -> Value,
}

const CASES: [Case; 3] = [
    // Thirty-three in any window of 5 seconds; with the first of the next window a batch is full: a rest, and so on.
    Case {
        name: "batches",
        scale: 27.0,
        messages: 300,
        purpose: "conversation",
        new_contacts: 0,
        is_reply: true,
        midnight: 24,
        pacing: || {
            json!({
                "per_minute": {"count": 33, "window_s": 132},
                "batch": {"size": 100, "pause_s": 150},
                "gap_reply": {"min_s": 0.1, "max_s": 0.3},
                "typing": {"per_char_ms": [40, 80], "extra_ms": 500, "min_s": 0.2, "max_s": 0.4},
            })
        },
    },
    // Days of 15 seconds, each with so many new contacts.
    Case {
        name: "days",
        scale: 5_760.0,
        messages: 300,
        purpose: "transactional",
        new_contacts: 290,
        is_reply: false,
        midnight: 24,
        pacing: || json!({"new_contacts": {"steps": [{"from_days": 0, "count": 95}]}, "batch": "off"}),
    },
    // A campaign that nobody answers: after two days of 12 seconds it rests until those days count no more.
    Case {
        name: "unanswered",
        scale: 7_500.0,
        messages: 100,
        purpose: "campaign",
        new_contacts: 100,
        is_reply: false,
        midnight: 12,
        pacing: || {
            let mut rate = json!({"recipients": 20, "within_days": 3, "after_h": 24, "slow_below": 0.5});
            rate["pause_below"] = json!(0.2);
            rate["pause_h"] = json!(24);
            let steps = json!({"steps": [{"from_days": 0, "count": 45}]});
            json!({"new_contacts": steps, "batch": "off", "response_rate": rate})
        },
    },
];

/// A zone where midnight is so many hours away, or a little less.
fn zone(midnight: i64) -> String {
    let hour = model::Clock::now(&model::SystemClock).as_micros() / 3_600_000_000;
    // The sign is that of POSIX: plus is west of Greenwich.
    match (hour + midnight).rem_euclid(24) {
        0 => "UTC".to_owned(),
        west @ 1..=12 => format!("Etc/GMT+{west}"),
        east => format!("Etc/GMT-{}", 24 - east),
    }
}

/// The previews that were wrong.
pub async fn wrong(installation: &Installation, round: Round) -> Vec<String> {
    let [a, b, c] = CASES.each_ref().map(|case| error_of(installation, case, round));
    let (a, b, c) = tokio::join!(a, b, c);
    let wrong = CASES.iter().zip([a, b, c]).filter(|(_, error)| error.abs() > 0.05);
    wrong.map(|(case, error)| format!("{}: {:+.1} %", case.name, error * 100.0)).collect()
}

/// By how much the real time differs from the foreseen one, as a share of it.
async fn error_of(installation: &Installation, case: &Case, round: Round) -> f64 {
    let api = installation.api();
    let name = round.name(case.name);
    let more = json!({"pacing": (case.pacing)(), "timezone": zone(case.midnight), "i_accept_the_risk": true});
    let account = installation.connect(&name, round.scale(case.scale), more).await;
    let new = |of: usize| of * case.new_contacts / case.messages;
    let known = |n: &usize| new(*n) == new(n + 1);
    let to = |n: usize| format!("{name}-{n}");
    let writers = (0..case.messages).filter(known).map(to).collect();
    write_first(installation, &account, &name, writers).await;
    let bodies: Vec<_> = (0..case.messages)
        .map(|n| {
            let words =
                format!("Hello number {n}, {}.", "this is for you and nobody else ".repeat(1 + n % 5));
            text(&account, &to(n), &words, case.purpose)
        })
        .collect();
    let words = |body: &Value| body["content"]["text"].as_str().unwrap().len();
    let chars = bodies.iter().map(words).sum::<usize>() / case.messages;
    let preview = api
        .post(
            "/v1/pace/preview",
            &json!({
                "account_id": account, "messages": case.messages, "purpose": case.purpose, "chars": chars,
                "new_contacts": case.new_contacts, "replies": case.is_reply,
            }),
        )
        .await;
    assert_eq!((&preview["estimate"], &preview["sent"]), (&json!(false), &json!(case.messages)), "{preview}");
    let messages = hand_in(api, &bodies).await;
    let start = time(&messages[0]["queued_at"]);
    // The sandbox is asked, not the installation: reckoning ahead costs time of its own.
    let all = CASES.iter().map(|case| case.messages).sum::<usize>() * round.number;
    let late = Instant::now() + PATIENCE.mul_f64(round.slower);
    while installation.report().await["accepted"] != all {
        assert!(Instant::now() < late, "{name}: not all have arrived");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let sent = arrivals(installation).await;
    let arrived: Vec<_> = messages.iter().map(|message| sent[message["id"].as_str().unwrap()]).collect();
    let first = time(&preview["timeline"][0]["from"]);
    let foreseen = time(&preview["finish"]).since(first);
    let real = arrived.iter().max().unwrap().since(start);
    let error = real.as_secs_f64() / foreseen.as_secs_f64() - 1.0;
    println!("{}: foreseen {foreseen:.3?}, real {real:.3?}: {:+.1} %", case.name, error * 100.0);
    error
}
