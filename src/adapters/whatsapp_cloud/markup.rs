//! Text in WhatsApp's own marks: `*bold*`, `_italic_`, `~strike~`, monospace. It has no way to write a mark that is none, so
//! what a plain text says between stars is shown bold.

use crate::telegram::markdown::{Node, parse};
use model::Format;

/// The words as WhatsApp takes them.
pub(super) fn write(text: &str, format: Format) -> String {
    match format {
        Format::Plain => text.to_owned(),
        Format::Markdown => nodes(&parse(text)),
    }
}

fn nodes(nodes: &[Node]) -> String {
    nodes.iter().map(node).collect()
}

fn node(node: &Node) -> String {
    match node {
        Node::Text(text) => text.clone(),
        Node::Bold(inner) => format!("*{}*", nodes(inner)),
        Node::Italic(inner) => format!("_{}_", nodes(inner)),
        Node::Strike(inner) => format!("~{}~", nodes(inner)),
        Node::Code(code) => format!("`{code}`"),
        Node::Fenced { code, .. } => format!("```{code}```"),
        Node::Link { label, url } => {
            let label = nodes(label);
            // There are no links with other words: both are shown.
            if label == *url || label.is_empty() { url.clone() } else { format!("{label} ({url})") }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_whatsapps_own() {
        let written = |text| write(text, Format::Markdown);
        assert_eq!(written("**bold** _it_ ~~no~~ `x`"), "*bold* _it_ ~no~ `x`");
        assert_eq!(written("**a _b_**"), "*a _b_*");
        assert_eq!(written("```rust\nfn\n```"), "```fn```");
        assert_eq!(
            written("[shop](https://a.example/) [https://b.example](https://b.example)"),
            "shop (https://a.example/) https://b.example"
        );
        assert_eq!(write("**x**", Format::Plain), "**x**");
    }
}
