//! Reads a text once: what is a variable, what is a variation, which braces mean themselves. What comes out is a template
//! for the engine in which variations are marked by characters that it passes on.

use crate::error::Wrong;
use crate::expression::Named;
use crate::marks::{BAR, BRACE, CLOSE, OPEN, is_mark};
use crate::{ALTERNATIVES_MAX, DEPTH_MAX, TEXT_MAX, expression};

/// A text as the engine reads it.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// The template.
    pub(crate) source: String,
    /// For each piece of it, where it begins there and in the text.
    places: Vec<(usize, usize)>,
    /// Every variable that it names, those of loops too, with their places in the text and in their order.
    pub(crate) names: Vec<Named>,
}

/// A piece of a text.
#[derive(Debug)]
enum Piece<'a> {
    Words(&'a str),
    /// A brace that means itself.
    Brace,
    /// Handed to the engine as it is: `{{ … }}`, `{% … %}`.
    Code(&'a str),
    Open,
    Bar,
    Close,
}

/// What is open at some point.
#[derive(Debug)]
enum Level {
    /// A brace: the piece that it is, and how many bars came in it.
    Braces { piece: usize, bars: Vec<usize>, at: usize },
    /// A statement with an end.
    Block { word: &'static str, at: usize },
}

struct Scanner<'a> {
    text: &'a str,
    done: usize,
    pieces: Vec<(usize, Piece<'a>)>,
    levels: Vec<Level>,
    alternatives: usize,
    names: Vec<Named>,
    /// Where the braces that were closed last begin and end.
    closed: (usize, usize),
}

/// Reads a text.
pub(crate) fn scan(text: &str) -> Result<Scanned, Wrong> {
    if text.len() > TEXT_MAX {
        return Err(Wrong::text(TEXT_MAX, format!("the text has {} bytes; at most {TEXT_MAX}", text.len())));
    }
    let mut scanner = Scanner {
        text,
        done: 0,
        pieces: Vec::new(),
        levels: Vec::new(),
        alternatives: 0,
        names: Vec::new(),
        closed: (0, 0),
    };
    while scanner.done < text.len() {
        scanner.step()?;
    }
    scanner.end()
}

impl<'a> Scanner<'a> {
    fn step(&mut self) -> Result<(), Wrong> {
        let rest = &self.text[self.done..];
        let special = |c: char| matches!(c, '{' | '}' | '|' | '\\') || is_mark(c);
        let words = rest.find(special).unwrap_or(rest.len());
        if words > 0 {
            self.push(Piece::Words(&rest[..words]), words);
            return Ok(());
        }
        match rest.as_bytes()[0] {
            b'\\' => self.backslashes(rest),
            b'{' => return self.opening(rest),
            b'}' => return self.closing(),
            b'|' => return self.bar(),
            _ => {
                let what = "the text has a character that stands for nothing (U+FDD0 to U+FDD3); take it out";
                return Err(Wrong::text(self.done, what));
            }
        }
        Ok(())
    }

    fn push(&mut self, piece: Piece<'a>, length: usize) {
        self.pieces.push((self.done, piece));
        self.done += length;
    }

    /// Backslashes are themselves, but for those before a brace or a bar: there each pair is one, and one without a mate
    /// makes the character mean itself.
    fn backslashes(&mut self, rest: &'a str) {
        let count = rest.bytes().take_while(|byte| *byte == b'\\').count();
        match rest.as_bytes().get(count) {
            Some(b'{' | b'}' | b'|') => {
                self.push(Piece::Words(&rest[..count / 2]), count / 2);
                self.done += count - count / 2;
                if count % 2 == 1 {
                    let itself = &rest[count..=count];
                    self.push(if itself == "{" { Piece::Brace } else { Piece::Words(itself) }, 1);
                }
            }
            _ => self.push(Piece::Words(&rest[..count]), count),
        }
    }

    fn opening(&mut self, rest: &'a str) -> Result<(), Wrong> {
        if rest.starts_with("{%") {
            return self.statement(rest);
        }
        if rest.starts_with("{{")
            && let Some(length) = code(rest, "}}")
        {
            self.names.extend(expression::check(inside(&rest[..length]), self.done + 2)?);
            self.push(Piece::Code(&rest[..length]), length);
            return Ok(());
        }
        self.deeper(Level::Braces { piece: self.pieces.len(), bars: Vec::new(), at: self.done })?;
        self.push(Piece::Brace, 1);
        Ok(())
    }

    fn deeper(&mut self, level: Level) -> Result<(), Wrong> {
        if self.levels.len() == DEPTH_MAX {
            let what = format!("braces and statements may lie {DEPTH_MAX} deep at most");
            return Err(Wrong::text(self.done, what));
        }
        self.levels.push(level);
        Ok(())
    }

    fn statement(&mut self, rest: &'a str) -> Result<(), Wrong> {
        let at = self.done;
        let word = expression::statement(&rest[2..], at)?;
        let length = code(rest, "%}").ok_or_else(|| Wrong::text(at, "`{%` is never closed by `%}`"))?;
        self.names.extend(expression::check(inside(&rest[..length]), at + 2)?);
        match word {
            "if" | "for" => self.deeper(Level::Block { word, at })?,
            _ => {
                let opened = match self.levels.last() {
                    Some(Level::Block { word, .. }) => Some(*word),
                    _ => None,
                };
                let fits = match word {
                    "endfor" => opened == Some("for"),
                    "else" => opened.is_some(),
                    _ => opened == Some("if"),
                };
                if !fits {
                    let what = format!(
                        "`{{% {word} %}}` closes nothing here; what opens in an alternative must close in it"
                    );
                    return Err(Wrong::text(at, what));
                }
                if word.starts_with("end") {
                    self.levels.pop();
                }
            }
        }
        self.push(Piece::Code(&rest[..length]), length);
        Ok(())
    }

    fn bar(&mut self) -> Result<(), Wrong> {
        let bar = self.pieces.len();
        let varies = self.levels.iter().any(|level| matches!(level, Level::Braces { .. }));
        match self.levels.last_mut() {
            Some(Level::Braces { bars, .. }) => bars.push(bar),
            Some(Level::Block { word, at }) if varies => return Err(Wrong::text(*at, crossed(word))),
            _ => {}
        }
        self.push(Piece::Words("|"), 1);
        Ok(())
    }

    fn closing(&mut self) -> Result<(), Wrong> {
        match self.levels.pop() {
            Some(Level::Braces { piece, bars, .. }) if !bars.is_empty() => {
                self.alternatives += bars.len() + 1;
                if self.alternatives > ALTERNATIVES_MAX {
                    let what = format!("a text may have {ALTERNATIVES_MAX} alternatives at most");
                    return Err(Wrong::text(self.done, what));
                }
                self.pieces[piece].1 = Piece::Open;
                for bar in bars {
                    self.pieces[bar].1 = Piece::Bar;
                }
                self.push(Piece::Close, 1);
            }
            // It was meant as a variable and cannot be read as one.
            Some(Level::Braces { at, .. }) if self.closed == (at + 1, self.done - 1) => {
                let what =
                    "what stands between `{{` and `}}` cannot be read; a brace itself is written `\\{`";
                return Err(Wrong::text(at, what));
            }
            Some(Level::Braces { at, .. }) => {
                self.closed = (at, self.done);
                self.push(Piece::Words("}"), 1);
            }
            Some(Level::Block { word, at }) => return Err(Wrong::text(at, crossed(word))),
            None => {
                let what = "this `}` closes nothing; a brace itself is written `\\}`";
                return Err(Wrong::text(self.done, what));
            }
        }
        Ok(())
    }

    fn end(self) -> Result<Scanned, Wrong> {
        match self.levels.last() {
            Some(Level::Braces { at, .. }) => {
                let double = self.text[*at..].starts_with("{{");
                let (open, close) = if double { ("{{", "}}") } else { ("{", "}") };
                let what = format!("`{open}` is never closed by `{close}`; a brace itself is written `\\{{`");
                return Err(Wrong::text(*at, what));
            }
            Some(Level::Block { word, at }) => {
                let what = format!("`{{% {word} %}}` is never closed by `{{% end{word} %}}`");
                return Err(Wrong::text(*at, what));
            }
            None => {}
        }
        let mut source = String::with_capacity(self.text.len() + 2 * self.pieces.len());
        let mut places = Vec::with_capacity(self.pieces.len());
        for (at, piece) in self.pieces {
            places.push((source.len(), at));
            match piece {
                Piece::Words(words) => source.push_str(words),
                Piece::Code(code) => source.push_str(code),
                Piece::Brace => source.push(BRACE),
                Piece::Open => source.push(OPEN),
                Piece::Bar => source.push(BAR),
                Piece::Close => source.push(CLOSE),
            }
        }
        Ok(Scanned { source, places, names: self.names })
    }
}

fn crossed(word: &str) -> String {
    format!("`{{% {word} %}}` must be closed within the braces, or the alternative, that it opens in")
}

/// The length of what begins at a `{{` or `{%` and ends with `end`; none when it is no such thing.
fn code(rest: &str, end: &str) -> Option<usize> {
    let mut at = 2;
    loop {
        let tail = &rest[at..];
        match tail.chars().next()? {
            _ if tail.starts_with(end) => return Some(at + end.len()),
            '{' | '}' => return None,
            '"' | '\'' => at += expression::quoted(tail)?,
            c => at += c.len_utf8(),
        }
    }
}

/// What lies between the marks, without those that take away white space.
fn inside(code: &str) -> &str {
    let inside = &code[2..code.len() - 2];
    // The places of mistakes are counted from its beginning, so only the end is cut.
    inside.strip_suffix(['-', '+']).unwrap_or(inside)
}

impl Scanned {
    /// The place in the text of a place in the template.
    pub(crate) fn origin(&self, place: usize) -> usize {
        let after = self.places.partition_point(|(there, _)| *there <= place);
        let (there, here) = after.checked_sub(1).map_or((0, 0), |piece| self.places[piece]);
        here + (place - there)
    }
}
