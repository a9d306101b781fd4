//! Webhooks' bodies as Meta writes them.

use serde_json::{Value, json};

use super::Cloud;

/// When everything in a test happened: seconds since 1970, as text.
pub const AT: &str = "1790000000";

impl Cloud {
    /// A delivery with these changes of the business.
    pub fn delivery(&self, changes: &[Value]) -> Value {
        json!({ "object": "whatsapp_business_account", "entry": [{ "id": self.business, "changes": changes }] })
    }

    /// A change of the number: its `value` with metadata.
    pub fn change(&self, field: &str, mut value: Value) -> Value {
        value["messaging_product"] = "whatsapp".into();
        value["metadata"] = self.metadata();
        json!({ "field": field, "value": value })
    }

    /// A message of this type from a person called Anna.
    pub fn message_change(&self, from: &str, id: &str, kind: &str, body: &Value) -> Value {
        let mut message = json!({ "from": from, "id": id, "timestamp": AT, "type": kind });
        if !body.is_null() {
            message[kind] = body.clone();
        }
        let contacts = json!([{ "profile": { "name": "Anna" }, "wa_id": from }]);
        self.change("messages", json!({ "contacts": contacts, "messages": [message] }))
    }

    /// What became of a message.
    pub fn status_change(&self, to: &str, id: &str, status: &str) -> Value {
        let status = json!({
            "id": id, "status": status, "timestamp": AT, "recipient_id": to,
            "pricing": { "billable": true, "pricing_model": "PMP", "category": "service" },
        });
        self.change("messages", json!({ "statuses": [status] }))
    }
}
