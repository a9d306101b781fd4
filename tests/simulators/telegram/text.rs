//! Telegram's HTML parse mode, as its documentation describes it: which tags there are, how they nest, which four
//! entities have names.

/// A stretch of text with a meaning; offset and length count UTF-16 code units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entity {
    /// Telegram's name of it, for example `bold`.
    pub kind: String,
    /// Where it starts.
    pub offset: usize,
    /// How long it is.
    pub length: usize,
    /// The link of a `text_link`.
    pub url: Option<String>,
    /// The language of a `pre`.
    pub language: Option<String>,
}

/// A text without its tags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Formatted {
    /// What is seen.
    pub text: String,
    /// What the tags said.
    pub entities: Vec<Entity>,
}

struct Open {
    tag: String,
    argument: Option<String>,
    start: usize,
}

/// Reads HTML, or says why Telegram would not, in its words (without `Bad Request: `).
pub fn parse_html(source: &str) -> Result<Formatted, String> {
    let problem = |what: String| Err(format!("can't parse entities: {what}"));
    let mut out = Formatted::default();
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        if c == '&' {
            let (decoded, length) = entity(rest);
            out.text.push(decoded);
            at += length;
            continue;
        }
        if c != '<' {
            out.text.push(c);
            at += c.len_utf8();
            continue;
        }
        let Some(end) = tag_end(rest) else {
            return problem(format!("Unclosed start tag at byte offset {at}"));
        };
        let inner = &rest[1..end];
        let position = utf16(&out.text);
        if let Some(name) = inner.strip_prefix('/') {
            let name = name.trim().to_ascii_lowercase();
            let Some(last) = open.pop() else {
                return problem(format!("Unexpected end tag at byte offset {at}"));
            };
            if !name.is_empty() && name != last.tag {
                return problem(format!(
                    "Unmatched end tag at byte offset {at}, expected \"</{}>\", found \"</{name}>\"",
                    last.tag
                ));
            }
            close(last, position, &mut out, &open);
        } else {
            let (name, attributes) =
                inner.find(|c: char| c.is_whitespace()).map_or((inner, ""), |i| inner.split_at(i));
            let tag = name.to_ascii_lowercase();
            match start(&tag, attributes) {
                Ok(argument) => open.push(Open { tag, argument, start: position }),
                Err(what) => return problem(format!("{what} at byte offset {at}")),
            }
        }
        at += end + 1;
    }
    if let Some(last) = open.pop() {
        return problem(format!("Can't find end tag corresponding to start tag \"{}\"", last.tag));
    }
    out.entities.sort_by_key(|entity| (entity.offset, usize::MAX - entity.length));
    Ok(out)
}

/// Where the tag at the start of `rest` ends, quotes taken into account.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (index, c) in rest.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(index),
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
    }
    None
}

/// Judges a start tag and picks the attribute that means something.
fn start(tag: &str, attributes: &str) -> Result<Option<String>, String> {
    let value = |name: &str| attribute(attributes, name);
    match tag {
        "b" | "strong" | "i" | "em" | "u" | "ins" | "s" | "strike" | "del" | "tg-spoiler" | "blockquote"
        | "pre" => Ok(None),
        "a" => Ok(value("href")),
        "code" => Ok(value("class").and_then(|class| class.strip_prefix("language-").map(str::to_owned))),
        "tg-emoji" => Ok(value("emoji-id")),
        "span" if value("class").as_deref() == Some("tg-spoiler") => Ok(None),
        "span" => Err("Tag \"span\" must have class \"tg-spoiler\"".to_owned()),
        other => Err(format!("Unsupported start tag \"{other}\"")),
    }
}

fn attribute(attributes: &str, name: &str) -> Option<String> {
    let start = attributes.find(&format!("{name}="))? + name.len() + 1;
    let rest = &attributes[start..];
    let value = match rest.chars().next()? {
        quote @ ('"' | '\'') => rest[1..].split(quote).next()?,
        _ => rest.split_whitespace().next()?,
    };
    let mut decoded = String::new();
    let mut at = 0;
    while let Some(c) = value[at..].chars().next() {
        let (c, length) = if c == '&' { entity(&value[at..]) } else { (c, c.len_utf8()) };
        decoded.push(c);
        at += length;
    }
    Some(decoded)
}

/// The character that an entity stands for. What is no entity is an ordinary `&`.
fn entity(rest: &str) -> (char, usize) {
    for (name, c) in [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"')] {
        if rest.starts_with(name) {
            return (c, name.len());
        }
    }
    let numeric = rest.strip_prefix("&#").and_then(|number| {
        let end = number.find(';')?;
        let code = match number[..end].strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number[..end].parse().ok()?,
        };
        Some((char::from_u32(code)?, end + 3))
    });
    numeric.unwrap_or(('&', 1))
}

fn close(tag: Open, position: usize, out: &mut Formatted, open: &[Open]) {
    let kind = match tag.tag.as_str() {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "u" | "ins" => "underline",
        "s" | "strike" | "del" => "strikethrough",
        "span" | "tg-spoiler" => "spoiler",
        "tg-emoji" => "custom_emoji",
        "a" => "text_link",
        // Code in a `pre` only names the language.
        "code" if open.last().is_some_and(|outer| outer.tag == "pre") => {
            if let Some(language) = tag.argument {
                out.entities.push(Entity {
                    kind: "language".to_owned(),
                    offset: tag.start,
                    length: position - tag.start,
                    url: None,
                    language: Some(language),
                });
            }
            return;
        }
        other => other,
    };
    let language = (kind == "pre")
        .then(|| out.entities.pop_if(|last| last.kind == "language" && last.offset == tag.start))
        .flatten()
        .and_then(|named| named.language);
    // A link without an address, and a stretch without length, are nothing.
    if position > tag.start && (kind != "text_link" || tag.argument.is_some()) {
        out.entities.push(Entity {
            kind: kind.to_owned(),
            offset: tag.start,
            length: position - tag.start,
            url: tag.argument.filter(|_| kind == "text_link"),
            language,
        });
    }
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_entities_counted_in_utf16() {
        let read = parse_html(
            "🎉<b>a&lt;<i>b</i></b> <a href=\"https://x.y/?a=1&amp;b\">l</a> <pre><code class=\"language-rust\">fn</code></pre>",
        )
        .unwrap();
        assert_eq!(read.text, "🎉a<b l fn");
        let seen: Vec<_> = read.entities.iter().map(|e| (e.kind.as_str(), e.offset, e.length)).collect();
        assert_eq!(seen, [("bold", 2, 3), ("italic", 4, 1), ("text_link", 6, 1), ("pre", 8, 2)]);
        assert_eq!(read.entities[2].url.as_deref(), Some("https://x.y/?a=1&b"));
        assert_eq!(read.entities[3].language.as_deref(), Some("rust"));
    }

    #[test]
    fn what_telegram_cannot_read_is_refused_in_its_words() {
        for (source, words) in [
            ("<h1>a</h1>", "Unsupported start tag \"h1\" at byte offset 0"),
            ("a < b", "Unclosed start tag at byte offset 2"),
            ("<b>a</i>", "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\""),
            ("<b>a", "Can't find end tag corresponding to start tag \"b\""),
            ("a</b>", "Unexpected end tag at byte offset 1"),
            ("<span>a</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0"),
        ] {
            assert_eq!(parse_html(source).unwrap_err(), format!("can't parse entities: {words}"));
        }
        assert_eq!(parse_html("a > b & c &nbsp; &#33;").unwrap().text, "a > b & c &nbsp; !");
    }
}
