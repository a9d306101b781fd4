//! Webhooks' bodies.

use serde_json::{Value, json};

use super::Pages;

/// 21 September 2026, in milliseconds, as Meta writes time here.
pub const AT: i64 = 1_790_000_000_000;

impl Pages {
    /// A delivery of these elements of `messaging`.
    pub fn delivery(&self, elements: &[Value]) -> Value {
        self.entry("messaging", elements)
    }

    /// A delivery of these elements of any list: `standby`, `changes`.
    pub fn entry(&self, list: &str, elements: &[Value]) -> Value {
        let (object, owner) = self.owner();
        let mut entry = json!({ "id": owner, "time": AT });
        entry[list] = elements.into();
        json!({ "object": object, "entry": [entry] })
    }

    /// Something that a person did.
    pub fn by(&self, person: &str, kind: &str, body: Value) -> Value {
        let mut element =
            json!({ "sender": { "id": person }, "recipient": { "id": self.owner().1 }, "timestamp": AT });
        element[kind] = body;
        element
    }

    /// The echo of what was sent to a person.
    pub fn echo(&self, person: &str, message: &Value) -> Value {
        let mut element = self.by(person, "message", message.clone());
        element["sender"] = json!({ "id": self.owner().1 });
        element["recipient"] = json!({ "id": person });
        element["message"]["is_echo"] = true.into();
        element
    }
}
