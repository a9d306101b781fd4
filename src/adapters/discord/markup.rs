//! Text as Discord shows it: it reads its own Markdown in every message, so plain words are escaped and the shared subset is
//! written anew.

use crate::telegram::markdown::{self, Node};

/// Characters that mean something wherever they stand.
const MARKS: &str = "\\*_~`|[]<";
/// Characters that mean something where a line begins: headings, quotes, lists.
const AT_LINE: &str = "#>-+";

/// Plain words, so that each character means itself. Links stay as they are: Discord takes them as links before it looks
/// for marks, backslashes and all.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut at_line = true;
    while let Some(c) = rest.chars().next() {
        if starts_link(rest) {
            let end = rest.find(|c: char| c.is_whitespace() || c == '<').unwrap_or(rest.len());
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            at_line = false;
            continue;
        }
        if MARKS.contains(c) || (at_line && AT_LINE.contains(c)) {
            out.push('\\');
        } else if at_line && c.is_ascii_digit() {
            // "1. " begins a list.
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if rest[digits..].starts_with(". ") {
                out.push_str(&rest[..digits]);
                out.push('\\');
                rest = &rest[digits..];
                at_line = false;
                continue;
            }
        }
        out.push(c);
        at_line = c == '\n' || (at_line && c == ' ');
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn starts_link(text: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && text[scheme.len()..].starts_with(|c: char| !c.is_whitespace())
    })
}

/// The shared Markdown subset, in Discord's.
pub(super) fn from_markdown(text: &str) -> String {
    write(&markdown::parse(text))
}

fn write(nodes: &[Node]) -> String {
    nodes.iter().fold(String::new(), |out, node| match node {
        Node::Text(text) => out + &escape_within(text, std::ptr::eq(&raw const nodes[0], node)),
        Node::Bold(inner) => format!("{out}**{}**", write_within(inner)),
        Node::Italic(inner) => format!("{out}_{}_", write_within(inner)),
        Node::Strike(inner) => format!("{out}~~{}~~", write_within(inner)),
        Node::Code(code) => format!("{out}`{code}`"),
        Node::Fenced { language, code } => format!("{out}```{language}\n{code}\n```"),
        Node::Link { label, url } => format!("{out}[{}]({url})", write_within(label)),
    })
}

/// What stands inside of marks does not begin a line.
fn write_within(nodes: &[Node]) -> String {
    nodes.iter().fold(String::new(), |out, node| match node {
        Node::Text(text) => out + &escape_within(text, false),
        other => out + &write(std::slice::from_ref(other)),
    })
}

/// [`escape`], for a piece that may stand in the middle of a line.
fn escape_within(text: &str, begins_line: bool) -> String {
    if begins_line {
        return escape(text);
    }
    // A letter before it keeps its first character from being taken for the beginning of a line.
    let escaped = escape(&format!("x{text}"));
    escaped[1..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_mean_themselves() {
        for (plain, written) in [
            ("hello", "hello"),
            ("*a* _b_ ~~c~~ `d` ||e||", r"\*a\* \_b\_ \~\~c\~\~ \`d\` \|\|e\|\|"),
            ("# no heading\n- no list\n> no quote", "\\# no heading\n\\- no list\n\\> no quote"),
            ("1. first\n2.5 litres", "1\\. first\n2.5 litres"),
            ("a - b # c > d + e", "a - b # c > d + e"),
            ("<@123> @everyone", r"\<@123> @everyone"),
            ("see https://x.y/a_b_c*d and snake_case", r"see https://x.y/a_b_c*d and snake\_case"),
            ("HTTPS://X.Y/_", "HTTPS://X.Y/_"),
            (r"c:\dir", r"c:\\dir"),
            ("[a](https://x.y)", "\\[a\\](https://x.y)"),
        ] {
            assert_eq!(escape(plain), written);
        }
    }

    #[test]
    fn the_shared_subset_is_discords_with_a_few_marks_fewer() {
        for (shared, written) in [
            ("**b** _i_ ~~s~~ `c`", "**b** _i_ ~~s~~ `c`"),
            ("**a _b_**", "**a _b_**"),
            ("[f](https://x.y)", "[f](https://x.y)"),
            ("```rust\nfn\n```", "```rust\nfn\n```"),
            ("# no heading **b**- c", "\\# no heading **b**- c"),
            ("||a|| **-x**", "\\|\\|a\\|\\| **-x**"),
        ] {
            assert_eq!(from_markdown(shared), written);
        }
    }
}
