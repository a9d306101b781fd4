//! What comes out: a line for each send, each wait and each refusal, in the order of time.

use std::io::Write;

use model::{Pace, Purpose, Timestamp};
use pacing::{Play, Step};
use serde::Serialize;

use super::workload::Workload;

#[derive(Serialize)]
struct Send<'a> {
    id: &'a str,
    at: Timestamp,
    to: &'a str,
    purpose: Purpose,
    pace: Pace,
    new: bool,
    sent: bool,
    typed_ms: u128,
}

#[derive(Serialize)]
struct Held<'a> {
    id: &'a str,
    at: Timestamp,
    to: &'a str,
    sent: bool,
    rule: &'a str,
    /// None: never.
    until: Option<Timestamp>,
}

/// Prints a play in the words of its workload.
#[derive(Debug)]
pub(super) struct Trace<'a>(&'a Workload);

impl<'a> Trace<'a> {
    pub(super) const fn new(workload: &'a Workload) -> Self {
        Self(workload)
    }

    /// Plays to the end.
    pub(super) fn write(&self, play: &mut Play, out: &mut impl Write) -> std::io::Result<()> {
        while let Some(step) = play.next() {
            match step {
                Step::Sent { id, at, purpose, pace, is_new, typed, .. } => {
                    let (id, to) = self.0.names(id);
                    let typed_ms = typed.as_millis();
                    line(out, &Send { id, at, to, purpose, pace, new: is_new, sent: true, typed_ms })?;
                }
                Step::Waits { id, at, wait } => {
                    let (id, to) = self.0.names(id);
                    line(out, &Held { id, at, to, sent: false, rule: &wait.rule, until: wait.until })?;
                }
                Step::Refused { id, at, rule, .. } => {
                    let (id, to) = self.0.names(id);
                    line(out, &Held { id, at, to, sent: false, rule, until: None })?;
                }
            }
        }
        Ok(())
    }
}

fn line(out: &mut impl Write, line: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
