//! Reads the Markdown subset that every channel shares ([`model::Format::Markdown`]) into a tree, so that whatever
//! is written from it nests properly however careless the marks were.
//!
//! A mark that has no partner, holds nothing or borders on space inside stays an ordinary character. A backslash
//! makes the mark after it ordinary.

/// A piece of marked-up text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// Characters that mean themselves.
    Text(String),
    /// `**…**`
    Bold(Vec<Node>),
    /// `_…_`
    Italic(Vec<Node>),
    /// `~~…~~`
    Strike(Vec<Node>),
    /// `` `…` ``
    Code(String),
    /// Fenced code.
    Fenced {
        /// The word after the opening fence; may be empty.
        language: String,
        /// What stands between the fences.
        code: String,
    },
    /// `[label](link)`
    Link {
        /// What is shown.
        label: Vec<Node>,
        /// What it opens.
        url: String,
    },
}

/// The marks; any of them may follow a backslash.
const MARKS: &str = "\\*_~`[]()";

/// Whether `text` holds no character that could be read as a mark.
pub(crate) fn is_unmarked(text: &str) -> bool {
    !text.contains(|c| MARKS.contains(c))
}

/// Reads `text`.
pub(crate) fn parse(text: &str) -> Vec<Node> {
    let chars: Vec<char> = text.chars().collect();
    Reader { chars: &chars, in_link: false }.read(0, chars.len())
}

/// What a reader sees of `nodes`, without any marks.
pub(crate) fn visible(nodes: &[Node]) -> String {
    nodes.iter().fold(String::new(), |seen, node| match node {
        Node::Text(text) | Node::Code(text) | Node::Fenced { code: text, .. } => seen + text,
        Node::Bold(inner) | Node::Italic(inner) | Node::Strike(inner) | Node::Link { label: inner, .. } => {
            seen + &visible(inner)
        }
    })
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    chars: &'a [char],
    /// Links do not nest.
    in_link: bool,
}

impl Reader<'_> {
    fn read(self, from: usize, to: usize) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut plain = String::new();
        let mut at = from;
        while at < to {
            if self.chars[at] == '\\' && at + 1 < to && MARKS.contains(self.chars[at + 1]) {
                plain.push(self.chars[at + 1]);
                at += 2;
            } else if let Some((node, after)) = self.node(at, to) {
                if !plain.is_empty() {
                    nodes.push(Node::Text(std::mem::take(&mut plain)));
                }
                nodes.push(node);
                at = after;
            } else {
                plain.push(self.chars[at]);
                at += 1;
            }
        }
        if !plain.is_empty() {
            nodes.push(Node::Text(plain));
        }
        nodes
    }

    /// The marked-up piece that starts at `at`, if one does, and where it ends.
    fn node(self, at: usize, to: usize) -> Option<(Node, usize)> {
        match self.chars[at] {
            '`' if self.starts(at, to, "```") => self.fenced(at, to),
            '`' => {
                let end = self.find(at + 1, to, "`")?;
                (end > at + 1).then(|| (Node::Code(self.text(at + 1, end)), end + 1))
            }
            '*' if self.starts(at, to, "**") => self.span(at, to, "**", Node::Bold),
            '~' if self.starts(at, to, "~~") => self.span(at, to, "~~", Node::Strike),
            '_' => self.span(at, to, "_", Node::Italic),
            '[' if !self.in_link => self.link(at, to),
            _ => None,
        }
    }

    fn fenced(self, at: usize, to: usize) -> Option<(Node, usize)> {
        let end = self.find(at + 3, to, "```")?;
        let inner = self.text(at + 3, end);
        let (language, code) = match inner.split_once('\n') {
            Some((word, code)) if word.chars().all(|c| c.is_alphanumeric() || "+-#.".contains(c)) => {
                (word, code)
            }
            _ => ("", inner.as_str()),
        };
        let code = code.strip_suffix('\n').unwrap_or(code);
        let (language, code) = (language.to_owned(), code.to_owned());
        (!code.is_empty()).then_some((Node::Fenced { language, code }, end + 3))
    }

    fn span(
        self,
        at: usize,
        to: usize,
        mark: &str,
        make: impl Fn(Vec<Node>) -> Node,
    ) -> Option<(Node, usize)> {
        let width = mark.len();
        let start = at + width;
        // An underscore inside a word belongs to the word: snake_case.
        let in_word =
            |index: usize| mark == "_" && self.chars.get(index).is_some_and(|c| c.is_alphanumeric());
        if start >= to || self.chars[start].is_whitespace() || (at > 0 && in_word(at - 1)) {
            return None;
        }
        let mut search = start;
        loop {
            let end = self.find_outside_code(search, to, mark)?;
            if end > start && !self.chars[end - 1].is_whitespace() && !in_word(end + width) {
                return Some((make(self.read(start, end)), end + width));
            }
            search = end + 1;
        }
    }

    fn link(self, at: usize, to: usize) -> Option<(Node, usize)> {
        let bracket = self.find_outside_code(at + 1, to, "]")?;
        if bracket == at + 1 || !self.starts(bracket + 1, to, "(") {
            return None;
        }
        let start = bracket + 2;
        let mut depth = 0_usize;
        let mut end = start;
        loop {
            match self.chars.get(end).filter(|_| end < to)? {
                ')' if depth == 0 => break,
                ')' => depth -= 1,
                '(' => depth += 1,
                c if c.is_whitespace() => return None,
                _ => {}
            }
            end += 1;
        }
        let url = self.text(start, end);
        let known = ["http://", "https://", "tg://", "mailto:", "tel:"];
        if !known.iter().any(|scheme| url.starts_with(scheme) && url.len() > scheme.len()) {
            return None;
        }
        let label = Self { in_link: true, ..self }.read(at + 1, bracket);
        (!visible(&label).trim().is_empty()).then_some((Node::Link { label, url }, end + 1))
    }

    fn starts(self, at: usize, to: usize, mark: &str) -> bool {
        let width = mark.len();
        at + width <= to && self.chars[at..at + width].iter().copied().eq(mark.chars())
    }

    fn find(self, from: usize, to: usize, mark: &str) -> Option<usize> {
        (from..to).find(|&at| self.starts(at, to, mark))
    }

    /// Like `find`, but passes over escaped characters and over code, in which marks are ordinary.
    fn find_outside_code(self, from: usize, to: usize, mark: &str) -> Option<usize> {
        let mut at = from;
        while at < to {
            if self.chars[at] == '\\' {
                at += 2;
            } else if self.starts(at, to, mark) {
                return Some(at);
            } else if self.chars[at] == '`' {
                at = self.node(at, to).map_or(at + 1, |(_, after)| after);
            } else {
                at += 1;
            }
        }
        None
    }

    fn text(self, from: usize, to: usize) -> String {
        self.chars[from..to].iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> Node {
        Node::Text(s.to_owned())
    }

    #[test]
    fn every_mark_is_read() {
        assert_eq!(
            parse("a **b _c_** ~~d~~ `e*` [f](https://x.y/(z))"),
            [
                text("a "),
                Node::Bold(vec![text("b "), Node::Italic(vec![text("c")])]),
                text(" "),
                Node::Strike(vec![text("d")]),
                text(" "),
                Node::Code("e*".to_owned()),
                text(" "),
                Node::Link { label: vec![text("f")], url: "https://x.y/(z)".to_owned() },
            ]
        );
        assert_eq!(
            parse("```rust\nfn main() {}\n```"),
            [Node::Fenced { language: "rust".to_owned(), code: "fn main() {}".to_owned() }]
        );
    }

    #[test]
    fn marks_without_a_partner_are_ordinary_characters() {
        for plain in [
            "2 * 3 ** 4",
            "snake_case_name",
            "a ** b ** c",
            "**",
            "****",
            "__",
            "~~",
            "``````",
            "[a]",
            "[a](javascript:alert)",
            "[](https://x.y)",
            "[a](https://x.y",
            "_ a_",
            "`",
            "**open",
        ] {
            assert_eq!(visible(&parse(plain)), plain);
            assert!(parse(plain).iter().all(|node| matches!(node, Node::Text(_))), "{plain}");
        }
    }

    #[test]
    fn a_backslash_makes_a_mark_ordinary_and_stays_before_anything_else() {
        assert_eq!(parse(r"\**a\** \_b\_ c:\d"), [text(r"**a** _b_ c:\d")].map(|n| n).to_vec());
        assert_eq!(parse(r"**a\*\*b**"), [Node::Bold(vec![text("a**b")])]);
    }

    #[test]
    fn marks_in_code_do_not_close_what_is_around_it() {
        assert_eq!(
            parse("**a `**` b**"),
            [Node::Bold(vec![text("a "), Node::Code("**".to_owned()), text(" b")])]
        );
    }
}
