//! What WhatsApp cannot show.

use channel::Channel;
use serde_json::{Value, json};

use super::{cloud, content};

#[test]
fn what_whatsapp_cannot_show_is_refused_before() {
    let button = |title: &str, data: Value, url: Value| json!({ "title": title, "data": data, "url": url });
    let plain = |n: usize| button(&format!("B{n}"), Value::Null, Value::Null);
    let text = |buttons: Vec<Value>| json!({ "type": "text", "text": "x", "buttons": [buttons] });
    let row = |n: usize| json!({ "title": format!("R{n}"), "data": n.to_string() });
    let list = |sections: Value| json!({ "type": "list", "text": "x", "button": "Go", "sections": sections });
    let rows = |n: usize| (0..n).map(row).collect::<Vec<_>>();
    let cloud = cloud();
    for (value, field) in [
        (text((0..4).map(plain).collect()), Some("buttons")),
        (text((0..3).map(plain).collect()), None),
        (text(vec![plain(1), button("Open", Value::Null, json!("https://x"))]), Some("buttons")),
        (text(vec![button("Open", Value::Null, json!("https://x"))]), None),
        (text(vec![plain(1), plain(1)]), Some("buttons.data")),
        (text(vec![button(&"t".repeat(21), Value::Null, Value::Null)]), Some("buttons.title")),
        (text(vec![button("t", json!("d".repeat(257)), Value::Null)]), Some("buttons.data")),
        (json!({ "type": "text", "text": "x".repeat(1025), "buttons": [[plain(1)]] }), Some("text")),
        (list(json!([{ "rows": rows(10) }])), None),
        (list(json!([{ "rows": rows(11) }])), Some("sections")),
        (list(json!([{ "rows": [] }])), Some("sections")),
        (list(json!([{ "title": "A", "rows": [row(1)] }, { "rows": [row(2)] }])), Some("sections.title")),
        (list(json!([{ "rows": [row(1), row(1)] }])), Some("sections.rows.data")),
        (json!({ "type": "contacts", "contacts": [] }), Some("contacts")),
        (json!({ "type": "provider_template", "name": "", "language": "de" }), Some("name")),
        (json!({ "type": "native", "body": { "type": "interactive", "interactive": {} } }), None),
        (json!({ "type": "native", "body": { "interactive": {} } }), Some("body")),
        (
            json!({ "type": "native", "body": { "type": "interactive", "interactive": {}, "to": "1" } }),
            Some("body"),
        ),
    ] {
        let found = cloud.check(&content(value.clone())).err().map(|problem| problem.field);
        assert_eq!(found.as_deref(), field, "{value}");
    }
}
