//! What is wrong with a text, where, and what to do about it.

use std::fmt;

/// A place in a text as people count: lines and characters from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

/// Why a text cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{mistake} ({at})")]
pub struct TemplateError {
    /// Where.
    pub at: Position,
    /// What.
    pub mistake: Mistake,
}

/// What is wrong with a text or with the variables given for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mistake {
    /// It uses a variable that was not given, without a default.
    UnknownVariable {
        /// Its name, for example `order.id`.
        name: String,
        /// The names that were given.
        known: Vec<String>,
    },
    /// The variables are larger than a message ever needs.
    Variables(String),
    /// The text itself is not right.
    Text(String),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, character {}", self.line, self.column)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVariable { name, known } => {
                write!(f, "there is no variable `{name}`; ")?;
                match known.as_slice() {
                    [] => write!(f, "none was given")?,
                    known => write!(f, "there are {}", known.join(", "))?,
                }
                write!(f, ". Give it, or write {{{{ {name} | default(\"…\") }}}}")
            }
            Self::Variables(what) | Self::Text(what) => f.write_str(what),
        }
    }
}

/// A mistake at a byte of the text.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) at: usize,
    pub(crate) mistake: Mistake,
}

impl Wrong {
    pub(crate) fn text(at: usize, what: impl Into<String>) -> Self {
        Self { at, mistake: Mistake::Text(what.into()) }
    }

    /// The same, with its place in `text` as people count.
    pub(crate) fn within(self, text: &str) -> TemplateError {
        let mut at = self.at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        TemplateError { at: Position { line, column }, mistake: self.mistake }
    }
}
