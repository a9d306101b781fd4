//! Texts with variables and variations: what makes one text for many people out of one template.
//!
//! - `{{ name }}`, `{{ contact.name | default("there") }}`: a variable, through filters (`capitalize`, `date`, `default`, `first`,
//!   `join`, `last`, `length`, `lower`, `title`, `trim`, `upper`). One that was not given is a mistake, not a gap: write a
//!   default where it may be absent. What is null is absent; a blank text gets its default, too.
//! - `{hi|hello|hey {there|friend}}`: one of the alternatives, which may nest. Braces without a bar stay as they are.
//! - `{% if … %}`, `{% elif … %}`, `{% else %}`, `{% for x in list %}` with their ends; `x is defined` tests.
//! - `\{`, `\}`, `\|`: the character itself. A backslash anywhere else is a backslash.
//!
//! The order of things is what makes values safe: the braces and bars of the text are found first, then variables are
//! filled in, then alternatives are chosen among what was found first. So a value is never read as a template or as a
//! variation, whatever it says. All alternatives are filled in, so that a missing variable shows at once, and not one time in
//! ten.
//!
//! Nothing here knows messages: it is given a text, values and a seed. Nothing reads files or the clock.

mod date;
mod engine;
mod error;
mod expression;
mod filters;
mod marks;
mod scan;
mod spin;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

pub use error::{Mistake, Position, TemplateError};

use error::Wrong;
use spin::Spun;

/// Most bytes of a text, before and after rendering.
pub const TEXT_MAX: usize = 65_536;
/// Most bytes of the variables for one text.
pub const VARIABLES_MAX: usize = 65_536;
/// How deep braces and statements may lie in each other.
pub const DEPTH_MAX: usize = 20;
/// Most alternatives in a text, those of all its variations together.
pub const ALTERNATIVES_MAX: usize = 1_000;

/// A text that was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// What is to be sent.
    pub text: String,
}

/// A text with its variables filled in, and its alternatives still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled(Spun);

impl Filled {
    /// One of the texts it can be, always the same for a seed. Each alternative is as likely as those beside it.
    pub fn pick(&self, seed: u64) -> String {
        self.0.pick(seed)
    }

    /// At most how many different texts it can be. Equal alternatives of one variation count once; two ways to the same text
    /// through different ones count twice.
    pub fn texts(&self) -> u64 {
        self.0.count()
    }
}

/// Renders a text: variables filled in, alternatives chosen by the seed. The same seed gives the same text.
pub fn render(text: &str, variables: &Map<String, Value>, seed: u64) -> Result<Rendered, TemplateError> {
    fill(text, variables).map(|filled| Rendered { text: filled.pick(seed) })
}

/// Fills the variables in, of all alternatives.
pub fn fill(text: &str, variables: &Map<String, Value>) -> Result<Filled, TemplateError> {
    let told = |wrong: Wrong| wrong.within(text);
    let scanned = scan::scan(text).map_err(told)?;
    let marked = engine::fill(&scanned, variables).map_err(told)?;
    let spun = Spun::read(&marked);
    if spun.longest() > TEXT_MAX {
        return Err(told(Wrong::text(0, format!("it becomes longer than {TEXT_MAX} bytes"))));
    }
    Ok(Filled(spun))
}

/// Refuses a text that can never be rendered. Gives the variables that it uses, in the order of the alphabet: those with a
/// default, too.
pub fn check(text: &str) -> Result<Vec<String>, TemplateError> {
    let told = |wrong: Wrong| wrong.within(text);
    let scanned = scan::scan(text).map_err(told)?;
    engine::variables(&scanned).map_err(told)
}
