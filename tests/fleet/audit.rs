//! Afterwards: every message that was accepted is where it should be, by what the API says and by what the sandbox saw.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use tests::harness::{Api, Installation};

use crate::plan::{AccountPlan, Plan, REFUSING};
use crate::pressed::Pressed;
use crate::record::{Record, is_taken};

/// What came of it, in numbers.
#[derive(Debug, Default)]
pub struct Findings {
    messages: usize,
    sent: usize,
    refused: usize,
    unknown: usize,
    given_up: usize,
    repeated: usize,
    accounts: usize,
    pressed: Pressed,
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, sent, refused, unknown, given_up, repeated, accounts, pressed } = self;
        write!(
            f,
            "{messages} messages of {accounts} accounts: {sent} sent, {refused} refused as their recipients do, \
             {unknown} unknown, {given_up} given up after three lost workers, {repeated} called again after a call without an end; no limit broken ({pressed}), order kept"
        )
    }
}

/// Compares. `accepted` are the ids that were promised.
///
/// # Panics
/// At the first thing that is not as it should be.
pub async fn audit(
    installation: &Installation,
    plan: &Plan,
    accepted: &[String],
    record: &Record,
) -> Findings {
    let report = installation.report().await;
    for count in ["limit_violations", "order_inversions"] {
        assert_eq!(report[count], 0, "{count}: {}", told(&report, plan));
    }
    for (what, count) in report["forgotten"].as_object().unwrap() {
        assert!(what == "calls" || count == 0, "the sandbox forgot {what}");
    }
    let mut findings =
        Findings { messages: accepted.len(), accounts: plan.accounts.len(), ..Findings::default() };
    let mut shown = BTreeMap::new();
    for account in &plan.accounts {
        let rows = installation.api().all(&format!("/v1/messages?account_id={}", account.id)).await;
        let rows = rows.into_iter().filter(|row| row["direction"] == "outbound");
        shown.extend(rows.map(|row| (row["id"].as_str().unwrap().to_owned(), (account, row))));
    }
    assert_eq!(shown.len(), accepted.len(), "as many messages as were accepted");
    let dead = installation.api().all("/v1/dead_jobs").await;
    let dead: Vec<_> = dead.iter().filter_map(|job| Some(job["job"].as_str()?.to_owned())).collect();
    // Chance takes a few; were they many, something else would be behind it.
    assert!(dead.len() * 1_000 <= accepted.len(), "{} jobs are dead", dead.len());
    for id in accepted {
        let (account, row) = shown.get(id).unwrap_or_else(|| panic!("{id} was accepted and is not there"));
        one(installation.api(), account, row, record, &dead, &mut findings).await;
    }
    for id in record.calls.keys() {
        assert!(shown.contains_key(id), "{id} was sent and never accepted");
    }
    findings.pressed = Pressed::of(plan, record);
    assert!(findings.pressed.everywhere(), "the limits were not pressed: {}", findings.pressed);
    findings
}

async fn one(
    api: &Api,
    account: &AccountPlan,
    row: &Value,
    record: &Record,
    dead: &[String],
    findings: &mut Findings,
) {
    let id = row["id"].as_str().unwrap();
    let none = Vec::new();
    let calls = record.calls.get(id).unwrap_or(&none);
    let taken = calls.iter().filter(|outcome| is_taken(outcome)).count();
    let status = row["status"].as_str().unwrap();
    // Calls that nobody heard the end of: their worker died, or the provider hung up.
    let endless = if taken > 1 || status == "unknown" { endless(api, id).await } else { 0 };
    // Promised, too: what three workers in a row were lost with is given up, called for or not, and listed for a person.
    let given_up = ["failed", "unknown"].contains(&status)
        && row["reason"].as_str().is_some_and(|reason| reason.starts_with("worker_lost:"))
        && dead.iter().any(|job| *job == format!("send-message:{id}"));
    let context = format!("{} {row}, calls {calls:?}, {endless} without an end", account.name);
    match status {
        _ if given_up => {
            assert!(status == "unknown" || taken == 0, "failed, and yet it was taken: {context}");
            findings.given_up += 1;
        }
        "sent" | "delivered" | "read" => {
            assert!(taken >= 1, "sent, but nobody got it: {context}");
            findings.sent += 1;
        }
        "failed" => {
            assert!(REFUSING.contains(&recipient(row)), "failed for no good reason: {context}");
            assert_eq!(taken, 0, "failed, and yet it was taken: {context}");
            findings.refused += 1;
        }
        "unknown" => {
            let enough = if account.redelivery == "at_most_once" { 1 } else { 3 };
            assert!(endless >= enough, "unknown for no good reason: {context}");
            findings.unknown += 1;
        }
        _ => panic!("not as it should end: {context}"),
    }
    assert!(taken <= 1 + endless, "sent again for no good reason: {context}");
    if account.redelivery == "at_most_once" {
        assert!(taken <= 1, "sent twice although it must not be: {context}");
    }
    findings.repeated += usize::from(taken > 1);
}

fn recipient(row: &Value) -> &str {
    // The text names it: `Good to hear from you, <recipient>. #…`.
    let text = row["content"]["text"].as_str().unwrap_or_default();
    text.split_once(", ").and_then(|(_, rest)| rest.split_once(". ")).map_or("", |(to, _)| to)
}

/// How many attempts of a message have no end that anybody knows.
async fn endless(api: &Api, id: &str) -> usize {
    let timeline = api.get(&format!("/v1/messages/{id}/timeline")).await.to_string();
    ["lost", "ambiguous"]
        .map(|outcome| timeline.matches(&format!(r#""outcome":"{outcome}""#)).count())
        .iter()
        .sum()
}

/// The report, with names of accounts in place of the sandbox's ids where something is wrong.
fn told(report: &Value, plan: &Plan) -> String {
    let wrong = report["accounts"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, counts)| counts["limit_violations"] != 0 || counts["order_inversions"] != 0);
    let wrong: BTreeMap<_, _> = wrong.collect();
    format!(
        "{} accounts of {}: {wrong:#?}\n{:#}\n{:#}",
        wrong.len(),
        plan.accounts.len(),
        report["limit_violation_examples"],
        report["order_inversion_examples"]
    )
}
