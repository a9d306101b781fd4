//! Slack's own marks (mrkdwn), both ways: `*bold*`, `_italic_`, `~strike~`, `` `code` ``, fences, and what stands in
//! angle brackets.
//!
//! mrkdwn has no way to write a mark that means itself. So what is written is read back, and where that shows other
//! characters than were meant, the marks are given up and the text is sent with marks switched off.

use model::{Content, Format};

use super::emoji;
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
            Node::Code(code) => out.push_str(&format!("`{}`", escape(code))),
            // Slack knows no languages.
            Node::Fenced { code, .. } => out.push_str(&format!("```\n{}\n```", escape(code))),
            Node::Link { label, url } => {
                let url = escape(&url.replace('<', "%3C").replace('>', "%3E").replace('|', "%7C"));
                out.push_str(&format!("<{url}|{}>", escape(&visible(label))));
            }
        }
    }
}

fn wrapped(out: &mut String, mark: &str, inner: &[Node]) {
    out.push_str(mark);
    write_nodes(out, inner);
    out.push_str(mark);
}

/// What a reader sees of `nodes`, with links behind their labels.
fn without_marks(nodes: &[Node]) -> String {
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
            Node::Code(code) => out.push_str(&format!("`{code}`")),
            Node::Fenced { code, .. } => out.push_str(&format!("```\n{code}\n```")),
            Node::Link { label, url } => {
                out.push('[');
                mark_up(out, label);
                out.push_str(&format!("]({url})"));
            }
        }
    }
}

fn marked(out: &mut String, mark: &str, inner: &[Node]) {
    out.push_str(mark);
    mark_up(out, inner);
    out.push_str(mark);
}

/// A character, or what stood in angle brackets.
#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A character that may be a mark.
    Raw(char),
    /// One that was escaped, and is none.
    Escaped(char),
    Entity(Node),
}

/// Reads mrkdwn.
fn read(text: &str) -> Vec<Node> {
    let mut tokens = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let escaped = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')]
            .into_iter()
            .find(|(written, _)| rest.starts_with(written));
        if let Some((written, means)) = escaped {
            tokens.push(Token::Escaped(means));
            rest = &rest[written.len()..];
        } else if let Some((inner, after)) = rest.strip_prefix('<').and_then(bracketed) {
            tokens.push(Token::Entity(entity(inner)));
            rest = after;
        } else {
            tokens.push(Token::Raw(c));
            rest = &rest[c.len_utf8()..];
        }
    }
    nodes(&tokens)
}

/// What stands before a closing bracket, if it can be an entity, and what follows.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (inner, after) = text.split_once('>')?;
    let odd = inner.is_empty() || inner.contains(['<', '\n']) || inner.starts_with(char::is_whitespace);
    (!odd).then_some((inner, after))
}

/// What angle brackets hold: a mention, a channel, a command, a date, a link.
fn entity(inner: &str) -> Node {
    let (target, label) = match inner.split_once('|') {
        Some((target, label)) => (target, Some(unescape(label)).filter(|label| !label.is_empty())),
        None => (inner, None),
    };
    let named = |sign: &str, id: &str| {
        let name = label.clone().unwrap_or_else(|| id.to_owned());
        Node::Text(if name.starts_with(sign) { name } else { format!("{sign}{name}") })
    };
    if let Some(user) = target.strip_prefix('@') {
        return named("@", user);
    }
    if let Some(channel) = target.strip_prefix('#') {
        return named("#", channel);
    }
    if let Some(command) = target.strip_prefix('!') {
        return match command.split_once('^') {
            Some(("date", rest)) => Node::Text(label.unwrap_or_else(|| rest.to_owned())),
            Some((_, id)) => named("@", id),
            None => named("@", command),
        };
    }
    let url = unescape(target);
    let bare = url.strip_prefix("mailto:").or_else(|| url.strip_prefix("tel:")).unwrap_or(&url);
    match label {
        Some(label) if label != bare && label != url && !url.ends_with(&format!("://{label}")) => {
            Node::Link { label: vec![Node::Text(label)], url }
        }
        Some(label) => Node::Text(label),
        None => Node::Text(bare.to_owned()),
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn nodes(tokens: &[Token]) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while at < tokens.len() {
        let (node, after) = match &tokens[at] {
            Token::Entity(Node::Text(text)) => {
                plain.push_str(text);
                at += 1;
                continue;
            }
            Token::Entity(node) => (node.clone(), at + 1),
            Token::Raw(_) => match marked_up(tokens, at) {
                Some(found) => found,
                None => {
                    plain.extend(character(&tokens[at]));
                    at += 1;
                    continue;
                }
            },
            Token::Escaped(c) => {
                plain.push(*c);
                at += 1;
                continue;
            }
        };
        if !plain.is_empty() {
            nodes.push(Node::Text(std::mem::take(&mut plain)));
        }
        nodes.push(node);
        at = after;
    }
    if !plain.is_empty() {
        nodes.push(Node::Text(plain));
    }
    nodes
}

const fn character(token: &Token) -> Option<char> {
    match token {
        Token::Raw(c) | Token::Escaped(c) => Some(*c),
        Token::Entity(_) => None,
    }
}

/// The marked-up piece that starts at `at`, if one does, and where it ends.
fn marked_up(tokens: &[Token], at: usize) -> Option<(Node, usize)> {
    let is = |index: usize, mark: char| tokens.get(index) == Some(&Token::Raw(mark));
    let fence = |index: usize| (index..index + 3).all(|index| is(index, '`'));
    let Token::Raw(mark) = tokens[at] else { return None };
    if fence(at) {
        let end = (at + 3..tokens.len()).find(|&end| fence(end))?;
        let code = code(&tokens[at + 3..end]);
        let code = code.strip_prefix('\n').unwrap_or(&code);
        let code = code.strip_suffix('\n').unwrap_or(code).to_owned();
        let found = Node::Fenced { language: String::new(), code };
        return (end > at + 3).then_some((found, end + 3));
    }
    let make = match mark {
        '`' => None,
        '*' => Some(Node::Bold as fn(Vec<Node>) -> Node),
        '_' => Some(Node::Italic as fn(Vec<Node>) -> Node),
        '~' => Some(Node::Strike as fn(Vec<Node>) -> Node),
        _ => return None,
    };
    let in_word = |index: usize| tokens.get(index).and_then(character).is_some_and(char::is_alphanumeric);
    let is_space = |index: usize| match tokens.get(index) {
        None => true,
        Some(token) => character(token).is_some_and(char::is_whitespace),
    };
    if at > 0 && in_word(at - 1) || is_space(at + 1) {
        return None;
    }
    for end in at + 1..tokens.len() {
        if tokens[end] == Token::Raw('\n') {
            return None;
        }
        if is(end, mark) && end > at + 1 && !is_space(end - 1) && !in_word(end + 1) {
            let inner = &tokens[at + 1..end];
            let node = match make {
                Some(make) => make(nodes(inner)),
                None => Node::Code(code(inner)),
            };
            return Some((node, end + 1));
        }
    }
    None
}

/// Tokens as code, in which brackets are brackets.
fn code(tokens: &[Token]) -> String {
    tokens.iter().fold(String::new(), |mut code, token| {
        match token {
            Token::Raw(c) | Token::Escaped(c) => code.push(*c),
            Token::Entity(node) => code.push_str(&without_marks(std::slice::from_ref(node))),
        }
        code
    })
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
