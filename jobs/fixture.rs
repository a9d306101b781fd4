//! A message on its way out, for the tests of what is decided about it.

use model::{Account, ConversationKind, Message, Purpose, Timestamp};
use serde_json::json;
use store::{ContactFacts, SendView};

/// Now, to these tests.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

/// A queued message of this purpose, of an account that is well.
pub(crate) fn view(purpose: Purpose) -> SendView {
    let id = "018f0000-0000-7000-8000-000000000001";
    let account: Account = serde_json::from_value(json!({
        "id": id, "workspace_id": id, "channel": "sandbox", "name": "shop", "settings": {}, "intake": "webhook",
        "connection": "connected", "sending": "active", "holds": [], "failures_in_a_row": 0, "timezone": "UTC",
        "pacing": {}, "pace_scale": 1.0, "redelivery": "at_least_once", "created_at": NOW, "updated_at": NOW,
    }))
    .unwrap();
    let message: Message = serde_json::from_value(json!({
        "id": id, "workspace_id": id, "account_id": id, "conversation_id": id, "direction": "outbound",
        "status": "queued", "purpose": purpose, "class": purpose.class(), "seq": 1, "origin": "api", "actor": "system",
        "content": {"type": "text", "text": "Hello."}, "reactions": [], "created_at": NOW, "updated_at": NOW,
    }))
    .unwrap();
    SendView {
        message,
        revision: 0,
        action: None,
        account,
        credentials: std::collections::BTreeMap::new(),
        chat: "anna".to_owned(),
        chat_kind: ConversationKind::Direct,
        last_inbound_at: None,
        first_inbound_at: None,
        first_sent_at: None,
        first_taken_at: None,
        contact: ContactFacts::default(),
        held: None,
        is_blocked: false,
        quoted: None,
        earlier: None,
        attempts: 0,
        lost: 0,
        failures: 0,
        open: None,
    }
}
