//! Three hundred messages, first previewed, then sent.

use serde_json::{Value, json};
use tests::harness::Installation;

use super::{arrivals, drained, hand_in, text, time, unbroken, write_first};

const MESSAGES: usize = 300;

/// An account whose virtual time is so quick that its messages take about half a minute; yet their pace and not the
/// machine is what they take it for.
struct Case {
    name: &'static str,
    scale: f64,
    purpose: &'static str,
    /// The others wrote before.
    new_contacts: usize,
    is_reply: bool,
    pacing: fn() -> Value,
}

const CASES: [Case; 2] = [
    // Fifteen in any minute of 2 seconds; a hundred, a rest of 5 minutes, and so on.
    Case {
        name: "batches",
        scale: 32.0,
        purpose: "conversation",
        new_contacts: 0,
        is_reply: true,
        pacing: || {
            let typing = json!({"per_char_ms": [40, 80], "extra_ms": 500, "min_s": 0.2, "max_s": 0.4});
            json!({"batch": {"size": 100, "pause_s": 300}, "typing": typing})
        },
    },
    // Days of 15 seconds, each with so many new contacts.
    Case {
        name: "days",
        scale: 5_760.0,
        purpose: "transactional",
        new_contacts: 290,
        is_reply: false,
        pacing: || json!({"new_contacts": {"steps": [{"from_days": 0, "count": 95}]}, "batch": "off"}),
    },
];

/// So many hours west of Greenwich a day has just begun: midnight is as far as can be.
fn early_zone() -> String {
    let hour = model::Clock::now(&model::SystemClock).as_micros() / 3_600_000_000 % 24;
    match hour {
        0 => "UTC".to_owned(),
        1..=12 => format!("Etc/GMT+{hour}"),
        _ => format!("Etc/GMT-{}", 24 - hour),
    }
}

pub async fn come_true(installation: &Installation) {
    let [a, b] = CASES.each_ref().map(|case| come_true_of(installation, case));
    let (a, b) = tokio::join!(a, b);
    for (case, wrong) in CASES.iter().zip([a, b]) {
        assert!(wrong.abs() <= 0.05, "{}: {:+.1} %", case.name, wrong * 100.0);
    }
    unbroken(installation).await;
}

async fn come_true_of(installation: &Installation, case: &Case) -> f64 {
    let api = installation.api();
    let more = json!({"pacing": (case.pacing)(), "timezone": early_zone(), "i_accept_the_risk": true});
    let account = installation.connect(case.name, case.scale, more).await;
    let known = |n: &usize| n * case.new_contacts / MESSAGES == (n + 1) * case.new_contacts / MESSAGES;
    let to = |n: usize| format!("{}-{n}", case.name);
    let writers = (0..MESSAGES).filter(known).map(to).collect();
    write_first(installation, &account, case.name, writers).await;
    let bodies: Vec<_> = (0..MESSAGES)
        .map(|n| {
            let words =
                format!("Hello number {n}, {}.", "this is for you and nobody else ".repeat(1 + n % 5));
            text(&account, &to(n), &words, case.purpose)
        })
        .collect();
    let words = |body: &Value| body["content"]["text"].as_str().unwrap().len();
    let chars = bodies.iter().map(words).sum::<usize>() / MESSAGES;
    let preview = api
        .post(
            "/v1/pace/preview",
            &json!({
                "account_id": account, "messages": MESSAGES, "purpose": case.purpose, "chars": chars,
                "new_contacts": case.new_contacts, "replies": case.is_reply,
            }),
        )
        .await;
    assert_eq!((&preview["estimate"], &preview["sent"]), (&json!(false), &json!(MESSAGES)), "{preview}");
    let messages = hand_in(api, &bodies).await;
    let start = time(&messages[0]["queued_at"]);
    drained(api, &account).await;
    let sent = arrivals(installation).await;
    let arrived: Vec<_> = messages.iter().map(|message| sent[message["id"].as_str().unwrap()]).collect();
    let first = time(&preview["timeline"][0]["from"]);
    let foreseen = time(&preview["finish"]).since(first);
    let real = arrived.iter().max().unwrap().since(start);
    let error = real.as_secs_f64() / foreseen.as_secs_f64() - 1.0;
    println!("{}: foreseen {foreseen:.3?}, real {real:.3?}: {:+.1} %", case.name, error * 100.0);
    error
}
