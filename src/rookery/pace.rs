//! `rookery pace simulate`: a workload in, the trace of what an account would make of it out. No server, no database.

mod trace;
mod workload;

use std::io::{BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use channel::LimitScope;
use clap::{Args, Subcommand};
use model::{Timestamp, Zone};
use pacing::{Facts, Limit, Play, Profile, Reach, State};

use crate::Failure;
use trace::Trace;
use workload::Workload;

/// Older accounts are no different.
const OLD: Duration = Duration::from_hours(24 * 365);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Play messages forward in simulated time: lines of JSON in, what is sent and what waits out.
    #[command(after_help = EXAMPLE)]
    Simulate(Options),
}

const EXAMPLE: &str = r#"A line is a message to send or one that comes in; the order of lines does not matter:
  {"id":"m1","at":"2026-03-02T08:00:00Z","to":"c1","purpose":"campaign","origin":"api","chars":120,"text_id":"t1","known":true}
  {"at":"2026-03-02T08:05:00Z","from":"c1","inbound":true}
`purpose` is conversation, transactional or campaign. `origin` (agent is a person; api), `chars` (0), `text_id` (the same
words), `known` (sent to or heard of before; false) and `last_inbound` (a time) may be left out."#;

#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "these comments are the help text, which shows no markup")]
pub(crate) struct Options {
    /// The rules: whatsapp_web, or a channel's limits.
    #[arg(long, default_value = "whatsapp_web")]
    profile: String,
    /// How long before the first line the account was first connected, as 5d, 12h, 30m or 1d12h. An old account unless said.
    #[arg(long, value_parser = span, allow_hyphen_values = true)]
    account_age: Option<Duration>,
    /// How long before the first line its number was registered. Unless said there is no warm-up.
    #[arg(long, value_parser = span, allow_hyphen_values = true)]
    registered: Option<Duration>,
    /// Another seed draws other gaps and typing times; the same seed draws the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The account's timezone, by its IANA name.
    #[arg(long, default_value = "UTC")]
    timezone: String,
    /// Divides every time of the rules, as an account's pace_scale does.
    #[arg(long, default_value_t = 1.0, allow_hyphen_values = true)]
    scale: f64,
    /// A file with the account's own rules: the object that an account's `pacing` takes.
    #[arg(long)]
    pacing: Option<PathBuf>,
}

/// Plays the workload on standard input and prints the trace.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    let Command::Simulate(options) = command;
    let (profile, width) = options.profile()?;
    let workload = Workload::read(std::io::stdin().lock(), options.seed).map_err(Failure::Input)?;
    let Some(start) = workload.start() else { return Ok(()) };
    let profile = options.of_account(profile, start)?;
    let state = State::new(&profile);
    let mut play = Play::new(profile, state, width, Duration::ZERO, options.seed, start);
    workload.play(&mut play);
    let mut out = BufWriter::new(std::io::stdout().lock());
    let written = Trace::new(&workload).write(&mut play, &mut out).and_then(|()| out.flush());
    match written {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::Other(format!("the trace cannot be written: {error}"))),
    }
}

impl Options {
    /// The rules before they are an account's, and how many sends may be under way at once.
    fn profile(&self) -> Result<(Profile, u32), Failure> {
        // An account of the sandbox is paced as one of WhatsApp Web is.
        let name = if self.profile == "sandbox" { "whatsapp_web" } else { &self.profile };
        let (profile, width) = if let Some(profile) = Profile::named(name) {
            (profile, 1)
        } else if let Some((limits, width)) = adapters::limits(&self.profile) {
            let limits: Vec<_> = limits.iter().map(limit).collect();
            (Profile::provider(&limits).map_err(|error| refused(&error))?, width)
        } else {
            let known: Vec<_> = adapters::channel_names().collect();
            let problem = format!(
                "--profile: `{}` is none; there are whatsapp_web, {}",
                self.profile,
                known.join(", ")
            );
            return Err(Failure::Input(problem));
        };
        let profile = match &self.pacing {
            Some(path) => profile.with(&read_json(path)?).map_err(|problems| {
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                Failure::Input(problems.join("\n"))
            })?,
            None => profile,
        };
        // What is wrong with the scale or the zone is wrong whatever the workload says.
        self.of_account(profile.clone(), Timestamp::ZERO)?;
        Ok((profile, width))
    }

    /// The rules of an account whose workload begins at `start`. Ages are meant in its own time, which `scale` makes run
    /// faster from then on.
    fn of_account(&self, profile: Profile, start: Timestamp) -> Result<Profile, Failure> {
        let zone: Zone =
            self.timezone.parse().map_err(|error| Failure::Input(format!("--timezone: {error}")))?;
        let before = |age: Duration| {
            let age = Duration::try_from_secs_f64(age.as_secs_f64() / self.scale);
            start - age.unwrap_or(Duration::ZERO)
        };
        let facts = Facts {
            zone,
            created_at: start,
            first_connected_at: Some(before(self.account_age.unwrap_or(OLD))),
            registered_at: self.registered.map(before),
        };
        profile.for_account(facts, self.scale).map_err(|error| refused(&error))
    }
}

fn refused(error: &pacing::ProfileError) -> Failure {
    Failure::Input(error.to_string())
}

fn limit(limit: &channel::Limit) -> Limit {
    Limit {
        name: limit.name.to_owned(),
        scope: match limit.scope {
            LimitScope::Account => Reach::Account,
            LimitScope::Chat => Reach::Chat,
            LimitScope::Group => Reach::Group,
        },
        count: limit.count,
        window: Duration::try_from_secs_f64(limit.seconds).unwrap_or_default(),
        burst: limit.burst,
        source: format!("{}, read on {}", limit.source, limit.read_on),
    }
}

fn read_json(path: &Path) -> Result<serde_json::Value, Failure> {
    let refuse = |problem: String| Failure::Input(format!("--pacing: {}: {problem}", path.display()));
    let text = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| refuse(format!("is no JSON: {error}")))
}

/// A length of time as people write it: `5d`, `12h`, `1d12h`, `30m`, `45s`.
fn span(text: &str) -> Result<Duration, String> {
    let refuse = || "give a number and its unit, for example 5d, 12h, 30m or 1d12h".to_owned();
    let mut total = Duration::ZERO;
    let mut rest = text;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(refuse)?;
        let count: u64 = rest[..digits].parse().map_err(|_| refuse())?;
        let seconds = match rest.as_bytes()[digits] {
            b'd' => 24 * 3_600,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return Err(refuse()),
        };
        let part = count.checked_mul(seconds).filter(|seconds| *seconds <= 100 * 366 * 24 * 3_600);
        total += Duration::from_secs(part.ok_or("is longer than a hundred years")?);
        rest = &rest[digits + 1..];
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

/// The lines of a reader with their numbers, from 1.
fn numbered(from: impl BufRead) -> impl Iterator<Item = (usize, std::io::Result<Vec<u8>>)> {
    from.split(b'\n').enumerate().map(|(place, line)| (place + 1, line))
}
