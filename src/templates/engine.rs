//! minijinja, with as little of it as a message needs: variables, a few filters, `if` and `for`. Every rendering has its
//! own fuel and its own budget, so nobody's text can keep a server busy.

use std::collections::BTreeMap;
use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde_json::Map;

use crate::error::{Mistake, Wrong};
use crate::marks::is_mark;
use crate::scan::Scanned;
use crate::{TEXT_MAX, VARIABLES_MAX, filters};

/// Steps of a rendering.
const FUEL: u64 = 20_000;
/// Bytes of a rendering before its alternatives are chosen.
const OUTPUT_MAX: usize = 4 * TEXT_MAX;
/// Names that a mistake lists.
const LISTED: usize = 30;

fn environment() -> Environment<'static> {
    let mut engine = Environment::empty();
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        engine.set_syntax(syntax);
    }
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    // Places of mistakes.
    engine.set_debug(true);
    engine.set_formatter(format);
    filters::add(&mut engine);
    engine
}

/// Writes a value, without what would be read as a mark afterwards.
fn format(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    // What an `if` without an `else` gives: the engine has refused all others.
    if value.is_undefined() {
        return Ok(());
    }
    let words = filters::words(value)?;
    for part in words.split_inclusive(is_mark) {
        match part.strip_suffix(is_mark) {
            Some(part) => write!(out, "{part}\u{FFFD}")?,
            None => out.write_str(part)?,
        }
    }
    Ok(())
}

/// Takes what is written until it is too much.
#[derive(Debug, Default)]
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses a template that the engine cannot read; gives the variables that it needs from outside.
pub(crate) fn variables(scanned: &Scanned) -> Result<Vec<String>, Wrong> {
    let engine = environment();
    let template =
        engine.template_from_str(&scanned.source).map_err(|error| explain(&error, scanned, &Map::new()))?;
    let mut names: Vec<String> = template.undeclared_variables(true).into_iter().collect();
    names.sort_unstable();
    Ok(names)
}

/// Fills the variables in. Alternatives are still side by side, between their marks.
pub(crate) fn fill(scanned: &Scanned, variables: &Map<String, serde_json::Value>) -> Result<String, Wrong> {
    let mut size = 0;
    let context = object(variables, &mut size);
    if size > VARIABLES_MAX {
        let what = format!("the variables have more than {VARIABLES_MAX} bytes: give what the text needs");
        return Err(Wrong { at: 0, mistake: Mistake::Variables(what) });
    }
    let engine = environment();
    let told = |error: Error| explain(&error, scanned, variables);
    let template = engine.template_from_str(&scanned.source).map_err(told)?;
    let mut out = Limited::default();
    template.render_captured_to(context, &mut out).map_err(told)?;
    // It was written as texts.
    Ok(String::from_utf8_lossy(&out.0).into_owned())
}

/// What is null is not there: a default stands in for it.
fn object(fields: &Map<String, serde_json::Value>, size: &mut usize) -> Value {
    let there = fields.iter().filter(|(_, value)| !value.is_null());
    there
        .map(|(name, value)| {
            *size += name.len();
            (name.clone(), convert(value, size))
        })
        .collect::<BTreeMap<String, Value>>()
        .into()
}

fn convert(value: &serde_json::Value, size: &mut usize) -> Value {
    use serde_json::Value as Json;
    *size += 8;
    match value {
        Json::Null => Value::UNDEFINED,
        Json::Bool(is) => Value::from(*is),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), ..) => Value::from(whole),
            (_, Some(whole), _) => Value::from(whole),
            (_, _, Some(number)) => Value::from(number),
            _ => Value::from(number.to_string()),
        },
        Json::String(text) => {
            *size += text.len();
            Value::from(text.as_str())
        }
        Json::Array(items) => items.iter().map(|item| convert(item, size)).collect::<Vec<Value>>().into(),
        Json::Object(fields) => object(fields, size),
    }
}

/// What the engine found, in our words and at its place in the text.
fn explain(error: &Error, scanned: &Scanned, variables: &Map<String, serde_json::Value>) -> Wrong {
    let range = error.range().unwrap_or(0..0);
    let (at, end) = (scanned.origin(range.start), scanned.origin(range.end));
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::UndefinedError => {
            let (at, name) = missing(at, end, scanned, variables);
            Wrong { at, mistake: Mistake::UnknownVariable { name, known: known(variables) } }
        }
        ErrorKind::OutOfFuel => Wrong::text(at, "it takes too long to render; make it simpler"),
        ErrorKind::WriteFailure => Wrong::text(at, format!("it becomes longer than {OUTPUT_MAX} bytes")),
        ErrorKind::SyntaxError if detail.is_empty() => Wrong::text(at, "it cannot be read"),
        ErrorKind::SyntaxError => Wrong::text(at, format!("it cannot be read: {detail}")),
        kind if detail.is_empty() => Wrong::text(at, kind.to_string()),
        _ => Wrong::text(at, detail.to_owned()),
    }
}

/// The variable that is missed by what lies at these bytes of the text: one that it names, or else (a filter's place is that of
/// its own name) the last one before it.
fn missing(
    from: usize,
    to: usize,
    scanned: &Scanned,
    variables: &Map<String, serde_json::Value>,
) -> (usize, String) {
    let absent = || scanned.names.iter().filter(|(_, name)| !is_there(name, variables));
    absent()
        .find(|(at, _)| (from..=to).contains(at))
        .or_else(|| absent().rfind(|(at, _)| *at < from))
        .cloned()
        .unwrap_or_else(|| (from, "what stands here".to_owned()))
}

fn is_there(name: &str, variables: &Map<String, serde_json::Value>) -> bool {
    let mut parts = name.split('.');
    let mut value = parts.next().and_then(|part| variables.get(part));
    for part in parts {
        value = value.and_then(|value| value.get(part));
    }
    value.is_some_and(|value| !value.is_null())
}

/// The names of what was given.
fn known(variables: &Map<String, serde_json::Value>) -> Vec<String> {
    let mut names = Vec::new();
    collect(variables, "", &mut names);
    names.sort_unstable();
    names.truncate(LISTED);
    names
}

fn collect(fields: &Map<String, serde_json::Value>, within: &str, names: &mut Vec<String>) {
    for (name, value) in fields {
        match value {
            serde_json::Value::Null => {}
            serde_json::Value::Object(fields) => collect(fields, &format!("{within}{name}."), names),
            _ => names.push(format!("{within}{name}")),
        }
    }
}
