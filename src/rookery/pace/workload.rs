//! What comes in: lines of JSON, all checked before anything is played.

use std::collections::HashMap;
use std::io::BufRead;

use model::{Origin, Purpose, Timestamp};
use pacing::{Chat, Planned, Play};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// Times outside these years are mistakes.
const YEARS: (Timestamp, Timestamp) =
    (Timestamp::from_micros(0), Timestamp::from_micros(7_258_118_400_000_000));

/// A message to send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    id: String,
    at: Timestamp,
    to: String,
    purpose: Purpose,
    #[serde(default = "api")]
    origin: Origin,
    #[serde(default)]
    chars: u32,
    #[serde(default)]
    text_id: Option<String>,
    #[serde(default)]
    known: bool,
    #[serde(default)]
    last_inbound: Option<Timestamp>,
}

const fn api() -> Origin {
    Origin::Api
}

/// A message that comes in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reception {
    at: Timestamp,
    from: String,
    inbound: bool,
}

#[derive(Debug)]
enum Line {
    Message(Message),
    Inbound(Reception),
}

/// Checked lines in the order of their times; lines of one time in the order in which they were written.
#[derive(Debug)]
pub(super) struct Workload {
    lines: Vec<Line>,
    seed: u64,
}

impl Workload {
    /// Reads all lines. A bad one is refused: with its number, its field and what is wrong with it.
    pub(super) fn read(from: impl BufRead, seed: u64) -> Result<Self, String> {
        let mut lines = Vec::new();
        let mut ids = HashMap::new();
        for (number, text) in super::numbered(from) {
            let refuse = |problem: String| format!("line {number}: {problem}");
            let text = text.map_err(|error| refuse(format!("cannot be read: {error}")))?;
            if text.trim_ascii().is_empty() {
                continue;
            }
            let line = parse(&text).map_err(refuse)?;
            line.check().map_err(refuse)?;
            if let Line::Message(message) = &line
                && let Some(first) = ids.insert(message.id.clone(), number)
            {
                return Err(refuse(format!("`id` is that of line {first}: give each message its own")));
            }
            lines.push(line);
        }
        lines.sort_by_key(Line::at);
        Ok(Self { lines, seed })
    }

    /// The time of the first line; none of an empty workload.
    pub(super) fn start(&self) -> Option<Timestamp> {
        self.lines.first().map(Line::at)
    }

    /// Puts everything into a play.
    pub(super) fn play(&self, play: &mut Play) {
        let mut texts: HashMap<&str, u64> = HashMap::new();
        for (place, line) in self.lines.iter().enumerate() {
            match line {
                Line::Inbound(inbound) => play.inbound(inbound.at, &inbound.from),
                Line::Message(message) => {
                    let text = message.text_id.as_deref().map(|text| {
                        let next = u64::try_from(texts.len()).unwrap_or(u64::MAX);
                        *texts.entry(text).or_insert(next)
                    });
                    play.add(message.planned(self.uuid(place), text));
                }
            }
        }
    }

    /// A message's id in the play: its place, and the seed, because typing is drawn from it.
    fn uuid(&self, place: usize) -> Uuid {
        Uuid::from_u64_pair(self.seed, u64::try_from(place).unwrap_or(u64::MAX))
    }

    /// The id and the receiver that the workload gave to a message of the play.
    pub(super) fn names(&self, id: Uuid) -> (&str, &str) {
        let place = usize::try_from(id.as_u64_pair().1).unwrap_or(usize::MAX);
        match self.lines.get(place) {
            Some(Line::Message(message)) => (&message.id, &message.to),
            _ => ("", ""),
        }
    }
}

/// One of two shapes: a line with `inbound` comes in.
fn parse(text: &[u8]) -> Result<Line, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| format!("is no JSON: {error}"))?;
    let Value::Object(fields) = &value else {
        return Err("is no JSON object".to_owned());
    };
    if fields.contains_key("inbound") {
        shape(value).map(Line::Inbound)
    } else {
        shape(value).map(Line::Message)
    }
}

/// What is wrong names its field.
fn shape<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        // A missing or unknown field is named by the message itself.
        "." => error.inner().to_string(),
        field => format!("`{field}`: {}", error.inner()),
    })
}

impl Line {
    const fn at(&self) -> Timestamp {
        match self {
            Self::Message(message) => message.at,
            Self::Inbound(inbound) => inbound.at,
        }
    }

    fn check(&self) -> Result<(), String> {
        if !(YEARS.0..=YEARS.1).contains(&self.at()) {
            return Err("`at` must lie within the years 1970 and 2199".to_owned());
        }
        let (chat, of) = match self {
            Self::Message(message) => (&message.to, "to"),
            Self::Inbound(inbound) => (&inbound.from, "from"),
        };
        if chat.is_empty() {
            return Err(format!("`{of}` is empty"));
        }
        match self {
            Self::Message(message) if message.last_inbound.is_some_and(|wrote| wrote > message.at) => {
                Err("`last_inbound` is later than `at`; what comes in later is a line of its own".to_owned())
            }
            Self::Inbound(Reception { inbound: false, .. }) => {
                Err("`inbound` is false; leave it out for a message to send".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Message {
    fn planned(&self, id: Uuid, text: Option<u64>) -> Planned {
        Planned {
            id,
            chat: self.to.clone(),
            is_group: false,
            purpose: self.purpose,
            origin: self.origin,
            class: self.purpose.class(),
            chars: self.chars,
            text: text.filter(|_| self.purpose == Purpose::Campaign),
            contact: Chat {
                is_new: !self.known && self.last_inbound.is_none(),
                last_inbound_at: self.last_inbound,
                ..Chat::default()
            },
            at: self.at,
            after: None,
        }
    }
}
