//! The filters and tests that a text may use. What they take in is counted, so that a loop over a long text ends early.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

use crate::date;

/// Every filter.
pub(crate) const FILTERS: &[&str] =
    &["capitalize", "date", "default", "first", "join", "last", "length", "lower", "title", "trim", "upper"];
/// Every test, as in `x is defined`.
pub(crate) const TESTS: &[&str] = &["defined", "undefined"];

/// Bytes that go through filters in a rendering.
const BUDGET: usize = 1024 * 1024;
/// What filters may still take in.
#[derive(Debug, Clone)]
struct Budget(Arc<AtomicUsize>);

impl Budget {
    fn spend(&self, bytes: usize) -> Result<(), Error> {
        let spent = self.0.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if spent <= BUDGET {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::OutOfFuel, "the filters have too much to do"))
        }
    }
}

/// A value as words, as the formatter and filters take it.
pub(crate) fn words(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::Bool => Ok(if value.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::String | ValueKind::Number => Ok(value.to_string()),
        _ => {
            let what = "it is a list or an object, not a text; name what of it is meant, or go through it with {% for %}";
            Err(Error::new(ErrorKind::InvalidOperation, what))
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the engine calls it")]
fn is_defined(value: &Value) -> Result<bool, Error> {
    Ok(!value.is_undefined())
}

/// Gives an engine the filters, with a budget of its own, and the tests.
pub(crate) fn add(engine: &mut Environment<'_>) {
    engine.add_test("defined", is_defined);
    engine.add_test("undefined", |value: &Value| is_defined(value).map(|is| !is));
    let budget = Budget(Arc::default());
    let mut of_words = |name: &'static str, made: fn(&str) -> String| {
        let budget = budget.clone();
        engine.add_filter(name, move |value: &Value| {
            let words = words(value)?;
            budget.spend(words.len())?;
            Ok::<_, Error>(made(&words))
        });
    };
    of_words("upper", str::to_uppercase);
    of_words("lower", str::to_lowercase);
    of_words("trim", |words| words.trim().to_owned());
    of_words("title", |words| capitalized(words, true));
    of_words("capitalize", |words| capitalized(words, false));
    engine.add_filter("default", default);
    engine.add_filter("date", |value: &Value, form: Option<&str>| {
        date::formatted(&words(value)?, form.unwrap_or("%Y-%m-%d"))
            .map_err(|what| Error::new(ErrorKind::InvalidOperation, what))
    });
    engine.add_filter("length", length);
    engine.add_filter("first", |value: &Value| end(value, true));
    engine.add_filter("last", |value: &Value| end(value, false));
    engine.add_filter("join", move |value: &Value, by: Option<&str>| {
        join(value, by.unwrap_or_default(), &budget)
    });
}

fn capitalized(words: &str, each: bool) -> String {
    let mut made = String::with_capacity(words.len());
    let mut begins = true;
    for c in words.chars() {
        if begins {
            made.extend(c.to_uppercase());
        } else {
            made.extend(c.to_lowercase());
        }
        begins = each && !c.is_alphanumeric() && c != '\'' && c != '’';
    }
    made
}

/// Also for a text without a visible character: nobody wants to read "Hi ,".
fn default(value: &Value, other: Value) -> Value {
    let blank = value.is_undefined() || value.as_str().is_some_and(|words| words.trim().is_empty());
    if blank { other } else { value.clone() }
}

fn length(value: &Value) -> Result<usize, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        _ => value.len().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "a number has no length")),
    }
}

/// The first or the last of a list.
fn end(value: &Value, first: bool) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::Seq => {
            let at = if first { 0 } else { value.len().unwrap_or(0).saturating_sub(1) };
            value.get_item(&Value::from(at))
        }
        _ => Err(Error::new(ErrorKind::InvalidOperation, "only a list has a first and a last")),
    }
}

fn join(value: &Value, by: &str, budget: &Budget) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if value.kind() != ValueKind::Seq {
        return Err(Error::new(ErrorKind::InvalidOperation, "only a list can be joined"));
    }
    let mut joined = String::new();
    for (place, item) in value.try_iter()?.enumerate() {
        let item = words(&item)?;
        budget.spend(item.len() + by.len() + 1)?;
        if place > 0 {
            joined.push_str(by);
        }
        joined.push_str(&item);
    }
    Ok(joined)
}
