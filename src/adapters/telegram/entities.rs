//! Formatting of received texts: Telegram sends the bare text and, apart from it, which stretch is bold.

use serde::Deserialize;

use super::markdown;

/// A stretch of a text with a meaning, counted in UTF-16 code units.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Entity {
    #[serde(rename = "type", default)]
    kind: String,
    offset: usize,
    length: usize,
    url: Option<String>,
    language: Option<String>,
}

/// The text with its formatting as Markdown, where that is simple: where no character of the text itself could be
/// taken for a mark, and where reading the result gives the text back. Else none, and the bare text is kept.
pub(super) fn to_markdown(text: &str, entities: &[Entity]) -> Option<String> {
    if !markdown::is_unmarked(text) {
        return None;
    }
    let mut shown: Vec<_> = entities.iter().filter_map(|entity| Some((entity, marks(entity)?))).collect();
    if shown.is_empty() {
        return None;
    }
    // The outer one first where two begin together.
    shown.sort_by_key(|(entity, _)| (entity.offset, usize::MAX - entity.length));

    let mut out = String::with_capacity(text.len() + 16);
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut next = shown.iter().peekable();
    let mut position = 0;
    for c in text.chars() {
        close(&mut open, position, &mut out);
        while let Some((entity, (before, after))) = next.next_if(|(entity, _)| entity.offset == position) {
            out.push_str(before);
            open.push((entity.offset + entity.length, after));
        }
        out.push(c);
        position += c.len_utf16();
    }
    close(&mut open, position, &mut out);
    // Whatever did not nest, lay outside the text or broke a word was not simple.
    let whole = open.is_empty() && next.peek().is_none();
    (whole && markdown::visible(&markdown::parse(&out)) == text).then_some(out)
}

fn close(open: &mut Vec<(usize, &str)>, position: usize, out: &mut String) {
    while let Some(&(end, after)) = open.last()
        && end <= position
    {
        out.push_str(after);
        open.pop();
    }
}

/// What stands before and after a stretch of this kind.
fn marks(entity: &Entity) -> Option<(String, String)> {
    let same = |mark: &str| Some((mark.to_owned(), mark.to_owned()));
    match entity.kind.as_str() {
        "bold" => same("**"),
        "italic" => same("_"),
        "strikethrough" => same("~~"),
        "code" => same("`"),
        "pre" => {
            let language = entity.language.as_deref().unwrap_or_default();
            Some((format!("```{language}\n"), "\n```".to_owned()))
        }
        "text_link" => Some(("[".to_owned(), format!("]({})", entity.url.as_deref()?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(kind: &str, offset: usize, length: usize) -> Entity {
        Entity {
            kind: kind.to_owned(),
            offset,
            length,
            url: (kind == "text_link").then(|| "https://x.y/z".to_owned()),
            language: None,
        }
    }

    #[test]
    fn stretches_are_counted_in_utf16_and_nest() {
        let entities = [entity("bold", 3, 9), entity("italic", 8, 4), entity("text_link", 13, 4)];
        assert_eq!(
            to_markdown("🎉 bold both link", &entities).as_deref(),
            Some("🎉 **bold _both_** [link](https://x.y/z)")
        );
        assert_eq!(to_markdown("see code", &[entity("pre", 4, 4)]).as_deref(), Some("see ```\ncode\n```"));
    }

    #[test]
    fn what_is_not_simple_stays_plain() {
        for (text, entities) in [
            ("a*b", vec![entity("bold", 0, 1)]),
            ("no formatting", vec![]),
            ("a link", vec![entity("url", 2, 4)]),
            ("overlap", vec![entity("bold", 0, 4), entity("italic", 2, 4)]),
            ("word", vec![entity("italic", 1, 2)]),
            ("short", vec![entity("bold", 3, 40)]),
            ("short", vec![entity("bold", 30, 4)]),
        ] {
            assert_eq!(to_markdown(text, &entities), None, "{text}");
        }
    }
}
