//! `rookery pace simulate` as a person runs it: lines in, a trace out, bad lines refused before anything is printed.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::BINARY;

fn simulate(args: &[&str], workload: &str) -> Output {
    let mut child = Command::new(BINARY)
        .args(["pace", "simulate"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let workload = workload.to_owned();
    // It may end before it has read everything, when an argument is wrong.
    let feeds = std::thread::spawn(move || drop(stdin.write_all(workload.as_bytes())));
    let output = child.wait_with_output().unwrap();
    feeds.join().unwrap();
    output
}

fn trace(args: &[&str], workload: &str) -> String {
    let output = simulate(args, workload);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn lines(trace: &str) -> Vec<Value> {
    trace.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What is refused: nothing printed, exit code 2, and on standard error what is wrong.
fn refused(args: &[&str], workload: &str) -> String {
    let output = simulate(args, workload);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{workload}: {said}");
    assert!(output.stdout.is_empty(), "nothing is printed before all was checked");
    said
}

const GOOD: &str = r#"{"id":"m1","at":"2026-03-02T08:00:00Z","to":"c1","purpose":"campaign","origin":"api","chars":120,"text_id":"t1","known":true}"#;

const SMALL: &str = r#"{"id":"m1","at":"2026-03-02T08:00:00Z","to":"c1","purpose":"campaign","origin":"api","chars":120,"text_id":"t1","known":true}
{"id":"m2","at":"2026-03-02T08:00:00Z","to":"c2","purpose":"campaign","origin":"api","chars":120,"text_id":"t1"}
{"id":"m3","at":"2026-03-02T08:00:01Z","to":"c1","purpose":"conversation","origin":"agent","chars":10}
{"at":"2026-03-02T08:00:20Z","from":"c2","inbound":true}
{"id":"m4","at":"2026-03-02T08:00:21Z","to":"c2","purpose":"conversation","origin":"agent","chars":10}
{"id":"m5","at":"2026-03-02T08:00:00Z","to":"c5","purpose":"campaign","origin":"api","chars":120,"last_inbound":"2026-01-01T00:00:00Z"}"#;

/// Read against the table: 120 characters are 2 s of typing; 2 to 5 s lie before a send at bulk pace and 0.3 to 1.5 s
/// before a reply; c1 is written to 6 s after the first time; who was silent for two months gets no campaign.
const OLD_ACCOUNT: &str = r#"{"id":"m1","at":"2026-03-02T08:00:02.000000Z","to":"c1","purpose":"campaign","pace":"bulk","new":false,"sent":true,"typed_ms":2000}
{"id":"m3","at":"2026-03-02T08:00:02.000000Z","to":"c1","sent":false,"rule":"same_recipient","until":"2026-03-02T08:00:07.014464Z"}
{"id":"m2","at":"2026-03-02T08:00:02.000000Z","to":"c2","sent":false,"rule":"gap","until":"2026-03-02T08:00:02.635928Z"}
{"id":"m2","at":"2026-03-02T08:00:04.635928Z","to":"c2","purpose":"campaign","pace":"bulk","new":true,"sent":true,"typed_ms":2000}
{"id":"m5","at":"2026-03-02T08:00:04.635928Z","to":"c5","sent":false,"rule":"stale_contact","until":null}
{"id":"m3","at":"2026-03-02T08:00:07.014464Z","to":"c1","sent":false,"rule":"gap","until":"2026-03-02T08:00:07.338705Z"}
{"id":"m3","at":"2026-03-02T08:00:08.324241Z","to":"c1","purpose":"conversation","pace":"bulk","new":false,"sent":true,"typed_ms":985}
{"id":"m4","at":"2026-03-02T08:00:21.699432Z","to":"c2","purpose":"conversation","pace":"reply","new":false,"sent":true,"typed_ms":699}
"#;

/// Two days after the registration only a person writes, for two more days.
const WARMING_UP: &str = r#"{"id":"m1","at":"2026-03-02T08:00:00.000000Z","to":"c1","sent":false,"rule":"warm_up","until":"2026-03-04T07:59:58.000000Z"}
{"id":"m3","at":"2026-03-02T08:00:01.985536Z","to":"c1","purpose":"conversation","pace":"bulk","new":false,"sent":true,"typed_ms":985}
{"id":"m4","at":"2026-03-02T08:00:21.699432Z","to":"c2","purpose":"conversation","pace":"reply","new":false,"sent":true,"typed_ms":699}
{"id":"m5","at":"2026-03-04T07:59:58.000000Z","to":"c5","sent":false,"rule":"stale_contact","until":null}
{"id":"m1","at":"2026-03-04T08:00:00.000000Z","to":"c1","purpose":"campaign","pace":"bulk","new":false,"sent":true,"typed_ms":2000}
{"id":"m2","at":"2026-03-04T08:00:00.000000Z","to":"c2","sent":false,"rule":"gap","until":"2026-03-04T08:00:00.635928Z"}
{"id":"m2","at":"2026-03-04T08:00:02.635928Z","to":"c2","purpose":"campaign","pace":"bulk","new":false,"sent":true,"typed_ms":2000}
"#;

#[test]
fn a_small_workload_is_played_by_the_table() {
    assert_eq!(trace(&[], SMALL), OLD_ACCOUNT);
    assert_eq!(trace(&["--account-age", "5d", "--registered", "2d"], SMALL), WARMING_UP);
}

#[test]
fn a_bad_line_is_refused_with_its_number_and_field() {
    let message = |fields: &str| {
        format!(r#"{{"id":"m2","at":"2026-03-02T08:00:00Z","to":"c1","purpose":"campaign"{fields}}}"#)
    };
    let cases = [
        ("{".to_owned(), "JSON"),
        ("[]".to_owned(), "object"),
        (message(r#","chars":-1"#), "`chars`"),
        (message(r#","chars":"many""#), "`chars`"),
        (message(r#","origin":"martian""#), "`origin`"),
        (message(r#","text":"t1""#), "`text`"),
        (message(r#","known":1"#), "`known`"),
        (message(r#","last_inbound":"2026-03-02T09:00:00Z""#), "`last_inbound`"),
        (message(r#","last_inbound":"yesterday""#), "`last_inbound`"),
        (message("").replace("campaign", "spam"), "`purpose`"),
        (message("").replace(r#","purpose":"campaign""#, ""), "`purpose`"),
        (message("").replace("2026-03-02T08:00:00Z", "2026-13-02"), "`at`"),
        (message("").replace("2026-", "1826-"), "`at`"),
        (message("").replace("\"c1\"", "\"\""), "`to`"),
        (message("").replace("m2", "m1"), "`id`"),
        (r#"{"at":"2026-03-02T08:00:00Z","from":"c1","inbound":false}"#.to_owned(), "`inbound`"),
        (r#"{"at":"2026-03-02T08:00:00Z","from":"","inbound":true}"#.to_owned(), "`from`"),
        (r#"{"at":"2026-03-02T08:00:00Z","to":"c1","inbound":true}"#.to_owned(), "`to`"),
    ];
    for (line, field) in cases {
        let said = refused(&[], &format!("{GOOD}\n\n{line}\n{GOOD}\n"));
        assert!(said.contains("line 3") && said.contains(field), "{line}: {said}");
    }
}

#[test]
fn a_bad_argument_is_refused_with_its_name() {
    let overrides = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(overrides.path(), r#"{"per_minute":{"count":0}}"#).unwrap();
    let overrides = overrides.path().to_str().unwrap();
    let cases: &[(&[&str], &[&str])] = &[
        (&["--profile", "pigeon"], &["--profile", "pigeon", "whatsapp_web", "telegram"]),
        (&["--account-age", "5"], &["--account-age", "5d"]),
        (&["--registered", "-2d"], &["--registered"]),
        (&["--timezone", "Mars/Olympus"], &["--timezone", "Mars/Olympus"]),
        (&["--scale", "NaN"], &["scale"]),
        (&["--scale", "0"], &["scale"]),
        (&["--pacing", "/nowhere/pacing.json"], &["--pacing", "/nowhere/pacing.json"]),
        (&["--pacing", overrides], &["per_minute.count"]),
        (&["--seed", "x"], &["--seed"]),
    ];
    for (args, words) in cases {
        let said = refused(args, GOOD);
        for word in *words {
            assert!(said.contains(word), "{args:?}: {said}");
        }
    }
}

#[test]
fn an_empty_workload_has_an_empty_trace() {
    assert_eq!(trace(&[], "\n"), "");
}

/// Campaigns, transactional messages and answers to who writes, out of time order.
fn workload(messages: i64, over: Duration) -> String {
    let start = 1_772_438_400_000_000_i64;
    let span = i64::try_from(over.as_micros()).unwrap();
    let mut seed = 1_u64;
    let mut below = |end: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::from((seed >> 33) as u32) % end
    };
    let mut text = String::new();
    for id in 0..messages {
        // Lines swap places with their neighbours.
        let at = (id ^ 1) * (span / messages);
        let to = below(messages / 20 + 2);
        let time = |at: i64| model::Timestamp::from_micros(start + at).to_string();
        match below(4) {
            0 | 1 => writeln!(
                text,
                r#"{{"id":"m{id}","at":"{}","to":"c{to}","purpose":"campaign","origin":"api","chars":120,"text_id":"t{}","known":{}}}"#,
                time(at), below(5_000), to % 5 != 0
            ),
            2 => writeln!(
                text,
                r#"{{"id":"m{id}","at":"{}","to":"c{to}","purpose":"transactional","origin":"api","chars":30}}"#,
                time(at)
            ),
            _ => writeln!(
                text,
                r#"{{"at":"{}","from":"c{to}","inbound":true}}
{{"id":"m{id}","at":"{}","to":"c{to}","purpose":"conversation","origin":"agent","chars":60}}"#,
                time(at), time(at + 5_000_000)
            ),
        }
        .unwrap();
    }
    text
}

#[test]
fn a_trace_is_in_time_order_and_the_same_for_the_same_seed() {
    let workload = workload(600, Duration::from_hours(30));
    let args = ["--account-age", "5d", "--registered", "2d12h", "--timezone", "Europe/Madrid", "--seed", "7"];
    let once = trace(&args, &workload);
    assert_eq!(once, trace(&args, &workload), "the same bytes");
    assert_ne!(once, trace(&["--seed", "8"], &workload), "another seed is another trace");
    let lines = lines(&once);
    let times: Vec<_> = lines.iter().map(|line| line["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "in time order");
    let ended = |line: &&Value| line["sent"] == true || line["until"].is_null();
    assert_eq!(lines.iter().filter(ended).count(), 600, "every message is sent or refused, once");
    let mut waits: Vec<_> = lines.iter().filter(|line| line["sent"] == false).collect();
    let all = waits.len();
    waits.sort_by_key(|line| (line["id"].to_string(), line["rule"].to_string(), line["until"].to_string()));
    waits.dedup_by_key(|line| (line["id"].clone(), line["rule"].clone(), line["until"].clone()));
    assert_eq!(waits.len(), all, "no wait is told twice");
}

#[test]
fn a_scaled_account_does_the_same_in_less_time() {
    let mut workload = String::new();
    for id in 0..400 {
        let line = GOOD.replace("m1", &format!("m{id}")).replace("c1", &format!("c{id}"));
        writeln!(workload, "{line}").unwrap();
    }
    let lasts = |args: &[&str]| {
        let at =
            lines(&trace(args, &workload.replace(r#","text_id":"t1""#, ""))).pop().unwrap()["at"].clone();
        let at: model::Timestamp = serde_json::from_value(at).unwrap();
        at.as_micros() - 1_772_438_400_000_000
    };
    let (slow, quick) = (lasts(&[]), lasts(&["--scale", "60"]));
    assert!((slow / 60).abs_diff(quick) < u64::try_from(quick / 10).unwrap(), "{slow} and {quick}");
}

#[test]
fn every_network_has_a_profile() {
    for profile in
        ["whatsapp_web", "telegram", "whatsapp_cloud", "slack", "discord", "messenger", "instagram"]
    {
        let sent = lines(&trace(&["--profile", profile], GOOD));
        let last = sent.last().unwrap();
        assert_eq!((&last["id"], &last["sent"]), (&Value::from("m1"), &Value::from(true)), "{profile}");
    }
}

#[test]
fn a_year_of_one_account_is_played_in_seconds() {
    let workload = workload(200_000, Duration::from_hours(365 * 24));
    let started = Instant::now();
    let trace = trace(&[], &workload);
    let took = started.elapsed();
    let sent =
        trace.lines().filter(|line| line.contains(r#""sent":true"#) || line.contains(r#""until":null"#));
    assert_eq!(sent.count(), 200_000);
    println!("a year of 200,000 messages, {} lines of trace, in {took:?}", trace.lines().count());
    // Without optimization it says nothing about what people run.
    assert!(cfg!(debug_assertions) || took < Duration::from_secs(10), "it took {took:?}");
}
