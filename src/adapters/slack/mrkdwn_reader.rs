//! Reads Slack's marks into the tree that all channels share.
//!
//! A mark counts where a word begins and ends, on one line; what is in code has no marks in it. Escaped characters and what
//! stands in angle brackets are known before marks are looked for.

use super::mrkdwn::without_marks;
use crate::telegram::markdown::Node;

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
pub(super) fn read(text: &str) -> Vec<Node> {
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
        let found = match &tokens[at] {
            Token::Entity(Node::Text(_)) | Token::Escaped(_) => None,
            Token::Entity(node) => Some((node.clone(), at + 1)),
            Token::Raw(_) => marked_up(tokens, at),
        };
        if let Some((node, after)) = found {
            if !plain.is_empty() {
                nodes.push(Node::Text(std::mem::take(&mut plain)));
            }
            nodes.push(node);
            at = after;
        } else {
            match &tokens[at] {
                Token::Entity(Node::Text(text)) => plain.push_str(text),
                token => plain.extend(character(token)),
            }
            at += 1;
        }
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
