//! What may stand between `{{` and `}}`, `{%` and `%}`: names, filters, comparisons. Nothing that can blow up a value
//! (arithmetic on texts, functions), so that rendering somebody's text is never expensive.

use crate::error::Wrong;
use crate::filters::{FILTERS, TESTS};

/// Statements; others have no use in a message.
const STATEMENTS: &[&str] = &["if", "elif", "else", "endif", "for", "endfor"];
/// Words that are no names.
const KEYWORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "in",
    "is",
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "endfor",
    "recursive",
    "true",
    "false",
    "none",
    "True",
    "False",
    "None",
];

/// A variable and where it is named, in bytes.
pub(crate) type Named = (usize, String);

/// What came before.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    /// A variable, or a field of one.
    Name,
    Dot,
    /// What an index gives.
    Item,
    ItemDot,
    Bar,
    Is,
    Other,
}

/// The length of a literal in quotes at the beginning of `text`; none if it is never closed.
pub(crate) fn quoted(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    let (_, quote) = chars.next()?;
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of the name at the beginning of `text`.
fn name(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

/// Refuses what may not stand in an expression that begins at byte `at` of the text. Gives the variables it names, in
/// their order.
pub(crate) fn check(expression: &str, at: usize) -> Result<Vec<Named>, Wrong> {
    let mut names: Vec<Named> = Vec::new();
    let mut last = Last::Other;
    let mut done = 0;
    while let Some(c) = expression[done..].chars().next() {
        let here = at + done;
        let rest = &expression[done..];
        let mut took = c.len_utf8();
        match c {
            '"' | '\'' => {
                took = quoted(rest).ok_or_else(|| Wrong::text(here, "this quote is never closed"))?;
                last = Last::Other;
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                took = name(rest);
                last = word(&rest[..took], last, here, &mut names)?;
            }
            '0'..='9' => {
                took = name(rest);
                last = Last::Other;
            }
            '.' => {
                last = match last {
                    Last::Name => Last::Dot,
                    Last::Item => Last::ItemDot,
                    _ => Last::Other,
                }
            }
            '|' => last = Last::Bar,
            '(' if matches!(last, Last::Name | Last::Item) => {
                return Err(Wrong::text(here, "there are no functions here, only variables and filters"));
            }
            '+' | '*' | '/' | '%' | '~' => {
                let what =
                    format!("`{c}`: nothing is computed in a text; compute it and give it as a variable");
                return Err(Wrong::text(here, what));
            }
            '{' | '}' | ':' | ';' => {
                return Err(Wrong::text(here, format!("`{c}` cannot stand within {{{{ }}}} or {{% %}}")));
            }
            c if c.is_whitespace() => {}
            ']' => last = Last::Item,
            _ => last = Last::Other,
        }
        done += took;
    }
    Ok(names)
}

fn word(word: &str, was: Last, here: usize, names: &mut Vec<Named>) -> Result<Last, Wrong> {
    Ok(match was {
        Last::Bar if FILTERS.contains(&word) => Last::Other,
        Last::Bar => {
            let what = format!(
                "there is no filter `{word}`; there are {}. A variation is written with single braces: {{hi|hello}}",
                FILTERS.join(", ")
            );
            return Err(Wrong::text(here, what));
        }
        Last::Is if word == "not" => Last::Is,
        Last::Is if TESTS.contains(&word) => Last::Other,
        Last::Is => {
            let what = format!("there is no test `{word}`; there are {}", TESTS.join(", "));
            return Err(Wrong::text(here, what));
        }
        Last::Dot => {
            if let Some((_, path)) = names.last_mut() {
                path.push('.');
                path.push_str(word);
            }
            Last::Name
        }
        Last::ItemDot => Last::Item,
        _ if word == "is" => Last::Is,
        _ if KEYWORDS.contains(&word) => Last::Other,
        _ => {
            names.push((here, word.to_owned()));
            Last::Name
        }
    })
}

/// The word that a statement begins with.
pub(crate) fn statement(inside: &str, at: usize) -> Result<&'static str, Wrong> {
    let word = inside.trim_start_matches(['-', '+']).trim_start();
    let word = &word[..name(word)];
    STATEMENTS.iter().find(|known| **known == word).copied().ok_or_else(|| {
        let what = format!(
            "`{{% {word}`: there are only {}. A brace itself is written `\\{{`",
            STATEMENTS.join(", ")
        );
        Wrong::text(at, what)
    })
}
