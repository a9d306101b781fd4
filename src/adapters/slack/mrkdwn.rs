//! Slack's own marks (mrkdwn), both ways: `*bold*`, `_italic_`, `~strike~`, `` `code` ``, fences, and what stands in
//! angle brackets.
//!
//! mrkdwn has no way to write a mark that means itself. So what is written is read back, and where that shows other
//! characters than were meant, the marks are given up and the text is sent with marks switched off.

use model::{Content, Format};

use super::emoji;
use super::mrkdwn_reader::read;
use crate::telegram::markdown::{Node, parse, visible};

/// A text as Slack takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// With `&`, `<` and `>` escaped.
    pub text: String,
    /// Whether its marks are marks.
    pub marked: bool,
    /// What is seen of it where marks are not, unescaped.
    pub plain: String,
}

/// A text of ours for Slack.
pub(super) fn write(text: &str, format: Format) -> Written {
    if format == Format::Markdown {
        let nodes = parse(text);
        let mut marked = String::with_capacity(text.len() + 16);
        write_nodes(&mut marked, &nodes);
        let plain = without_marks(&nodes);
        if visible(&read(&marked)) == visible(&nodes) {
            return Written { text: marked, marked: true, plain };
        }
        return Written { text: escape(&plain), marked: false, plain };
    }
    Written { text: escape(text), marked: false, plain: text.to_owned() }
}

/// Whether `text` holds a character that Slack could take for a mark.
pub(super) fn has_marks(text: &str) -> bool {
    text.contains(['*', '_', '~', '`']) || text.lines().any(|line| line.starts_with('>'))
}

/// The three characters that mean something everywhere.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn write_nodes(out: &mut String, nodes: &[Node]) {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(&escape(text)),
            Node::Bold(inner) => wrapped(out, "*", inner),
            Node::Italic(inner) => wrapped(out, "_", inner),
            Node::Strike(inner) => wrapped(out, "~", inner),
            Node::Code(code) => between(out, "`", &escape(code), "`"),
            // Slack knows no languages.
            Node::Fenced { code, .. } => between(out, "```\n", &escape(code), "\n```"),
            Node::Link { label, url } => {
                let url = escape(&url.replace('<', "%3C").replace('>', "%3E").replace('|', "%7C"));
                between(out, "<", &url, "|");
                between(out, "", &escape(&visible(label)), ">");
            }
        }
    }
}

fn wrapped(out: &mut String, mark: &str, inner: &[Node]) {
    out.push_str(mark);
    write_nodes(out, inner);
    out.push_str(mark);
}

fn between(out: &mut String, before: &str, text: &str, after: &str) {
    out.extend([before, text, after]);
}

/// What a reader sees of `nodes`, with links behind their labels.
pub(super) fn without_marks(nodes: &[Node]) -> String {
    nodes.iter().fold(String::new(), |seen, node| match node {
        Node::Text(text) | Node::Code(text) | Node::Fenced { code: text, .. } => seen + text,
        Node::Bold(inner) | Node::Italic(inner) | Node::Strike(inner) => seen + &without_marks(inner),
        Node::Link { label, url } => seen + &format!("{} ({url})", visible(label)),
    })
}

/// A received text: Markdown where it has marks or labelled links, else plain.
pub(super) fn content(text: &str) -> Content {
    let mut nodes = read(text);
    show_emoji(&mut nodes);
    if nodes.iter().any(|node| !matches!(node, Node::Text(_))) {
        let mut marked = String::with_capacity(text.len() + 16);
        mark_up(&mut marked, &nodes);
        if visible(&parse(&marked)) == visible(&nodes) {
            return Content::Text { text: marked, format: Format::Markdown, buttons: Vec::new() };
        }
    }
    Content::text(without_marks(&nodes))
}

/// A received text without marks: captions have no format.
pub(super) fn words(text: &str) -> String {
    let mut nodes = read(text);
    show_emoji(&mut nodes);
    without_marks(&nodes)
}

fn show_emoji(nodes: &mut [Node]) {
    for node in nodes {
        match node {
            Node::Text(text) => *text = emoji::shown(text),
            Node::Bold(inner) | Node::Italic(inner) | Node::Strike(inner) => show_emoji(inner),
            Node::Link { label, .. } => show_emoji(label),
            Node::Code(_) | Node::Fenced { .. } => {}
        }
    }
}

/// `nodes` in the Markdown subset that all channels share.
fn mark_up(out: &mut String, nodes: &[Node]) {
    for node in nodes {
        match node {
            Node::Text(text) => {
                for c in text.chars() {
                    if "\\*_~`[]".contains(c) {
                        out.push('\\');
                    }
                    out.push(c);
                }
            }
            Node::Bold(inner) => marked(out, "**", inner),
            Node::Italic(inner) => marked(out, "_", inner),
            Node::Strike(inner) => marked(out, "~~", inner),
            Node::Code(code) => between(out, "`", code, "`"),
            Node::Fenced { code, .. } => between(out, "```\n", code, "\n```"),
            Node::Link { label, url } => {
                out.push('[');
                mark_up(out, label);
                between(out, "](", url, ")");
            }
        }
    }
}

fn marked(out: &mut String, mark: &str, inner: &[Node]) {
    out.push_str(mark);
    mark_up(out, inner);
    out.push_str(mark);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markdown(text: &str) -> Content {
        Content::Text { text: text.to_owned(), format: Format::Markdown, buttons: Vec::new() }
    }

    #[test]
    fn markdown_becomes_mrkdwn() {
        let written = write("**a<b>** & _c_ ~~d~~ `x<y` [e|f](https://g.h/?i=1&j=2|3)", Format::Markdown);
        assert_eq!(written.text, "*a&lt;b&gt;* &amp; _c_ ~d~ `x&lt;y` <https://g.h/?i=1&amp;j=2%7C3|e|f>");
        assert!(written.marked);
        assert_eq!(write("```rust\na\nb\n```", Format::Markdown).text, "```\na\nb\n```");
    }

    #[test]
    fn what_mrkdwn_cannot_say_is_sent_without_marks() {
        for (text, shown) in
            [("**a** and \\*b\\*", "a and *b*"), ("in**side**words", "insidewords"), ("a *b* c", "a *b* c")]
        {
            let written = write(text, Format::Markdown);
            assert_eq!((written.text.as_str(), written.marked), (shown, false), "{text}");
        }
        let link = write("[a](https://x.y) *b*", Format::Markdown);
        assert_eq!((link.text.as_str(), link.marked), ("a (https://x.y) *b*", false));
        // A single asterisk between spaces is one in Slack too.
        assert!(write("2 * 3 **x**", Format::Markdown).marked);
        assert_eq!(
            write("*a* <b>", Format::Plain),
            Written { text: "*a* &lt;b&gt;".to_owned(), marked: false, plain: "*a* <b>".to_owned() }
        );
    }

    #[test]
    fn mrkdwn_becomes_markdown() {
        for (slack, ours) in [
            ("*a* _b_ ~c~ `d*e*`", "**a** _b_ ~~c~~ `d*e*`"),
            ("*a _b_*", "**a _b_**"),
            ("see <https://x.y/?a=1&amp;b=2|the *page*>", "see [the \\*page\\*](https://x.y/?a=1&b=2)"),
            ("```\nlet a = &lt;b&gt;;\n```", "```\nlet a = <b>;\n```"),
            ("*bold* a_b [c]", "**bold** a\\_b \\[c\\]"),
        ] {
            assert_eq!(content(slack), markdown(ours), "{slack}");
        }
    }

    #[test]
    fn what_has_no_marks_stays_plain_and_entities_read_well() {
        for (slack, ours) in [
            ("hello &lt;b&gt; &amp;amp; &amp;lt;", "hello <b> &amp; &lt;"),
            ("2 * 3 * 4 snake_case_name", "2 * 3 * 4 snake_case_name"),
            ("<@U024BE7LH> <@U1|bob>, <#C024BE7LR|general> <#C2>", "@U024BE7LH @bob, #general #C2"),
            ("<!here> <!subteam^S1|@ops> <!subteam^S2>", "@here @ops @S2"),
            ("<!date^1392734382^{date}|18 Feb 2014>", "18 Feb 2014"),
            ("<https://x.y> <http://x.y|x.y> <mailto:a@b.c|a@b.c>", "https://x.y x.y a@b.c"),
            ("hi :wave: :wave::skin-tone-3: :no_such_thing: 10:30:15", "hi 👋 👋🏼 :no_such_thing: 10:30:15"),
            ("a < b <> <unclosed", "a < b <> <unclosed"),
            ("*two\nlines*", "*two\nlines*"),
        ] {
            assert_eq!(content(slack), Content::text(ours), "{slack}");
        }
    }

    #[test]
    fn what_was_written_reads_back() {
        for text in ["**a** b", "_a_ **b** ~~c~~", "[x](https://y.z) `c`", "```\ncode\n```"] {
            let written = write(text, Format::Markdown);
            assert_eq!(content(&written.text), markdown(text));
        }
    }
}
