//! Writes text in Telegram's HTML parse mode: of its modes the one in which only four characters need escaping, so
//! no input can break a message.

use super::markdown::{Node, parse};

/// Markdown as Telegram's HTML.
pub(super) fn from_markdown(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 32);
    write(&mut html, &parse(text));
    html
}

fn write(html: &mut String, nodes: &[Node]) {
    for node in nodes {
        match node {
            Node::Text(text) => escape(html, text),
            Node::Bold(inner) => tagged(html, "b", inner),
            Node::Italic(inner) => tagged(html, "i", inner),
            Node::Strike(inner) => tagged(html, "s", inner),
            Node::Code(code) => {
                html.push_str("<code>");
                escape(html, code);
                html.push_str("</code>");
            }
            Node::Fenced { language, code } if language.is_empty() => {
                html.push_str("<pre>");
                escape(html, code);
                html.push_str("</pre>");
            }
            Node::Fenced { language, code } => {
                html.push_str("<pre><code class=\"language-");
                escape(html, language);
                html.push_str("\">");
                escape(html, code);
                html.push_str("</code></pre>");
            }
            Node::Link { label, url } => {
                html.push_str("<a href=\"");
                escape(html, url);
                html.push_str("\">");
                write(html, label);
                html.push_str("</a>");
            }
        }
    }
}

fn tagged(html: &mut String, tag: &str, inner: &[Node]) {
    html.push('<');
    html.push_str(tag);
    html.push('>');
    write(html, inner);
    html.push_str("</");
    html.push_str(tag);
    html.push('>');
}

fn escape(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::from_markdown;

    #[test]
    fn marks_become_tags_and_everything_else_is_escaped() {
        assert_eq!(
            from_markdown("**a<b>** & _\"c\"_ ~~d~~ `x<y` [e&f](https://g.h/?i=1&j=\"k\")"),
            "<b>a&lt;b&gt;</b> &amp; <i>&quot;c&quot;</i> <s>d</s> <code>x&lt;y</code> \
             <a href=\"https://g.h/?i=1&amp;j=&quot;k&quot;\">e&amp;f</a>"
        );
        assert_eq!(
            from_markdown("```\n<a>\n``` ```c++\nb```"),
            "<pre>&lt;a&gt;</pre> <pre><code class=\"language-c++\">b</code></pre>"
        );
    }

    #[test]
    fn entities_in_the_source_are_shown_as_written() {
        assert_eq!(from_markdown("&lt; </b>"), "&amp;lt; &lt;/b&gt;");
    }
}
