//! What the Cloud API can do beside sending and files: seen and typing, reactions, its templates.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use channel::{ChannelError, Login, ProviderTemplate, Reactor, Reader, TemplateSource, Typist};
use model::AccountId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{WABA_ID, WhatsAppCloud, address};
use crate::graph::Call;

/// How many chats are remembered at most.
const MOST_CHATS: usize = 10_000;

/// The last message received in each chat, as far as this process has read it: typing can only be shown beside one. It may
/// be lost at any moment; then no typing is shown.
#[derive(Debug, Default)]
pub(super) struct LastReceived(Mutex<HashMap<(AccountId, String), String>>);

impl LastReceived {
    pub fn note(&self, account: AccountId, chat: &str, message: &str) {
        let mut chats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if chats.len() >= MOST_CHATS {
            chats.clear();
        }
        chats.insert((account, chat.to_owned()), message.to_owned());
    }

    fn of(&self, account: AccountId, chat: &str) -> Option<String> {
        let chats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chats.get(&(account, chat.to_owned())).cloned()
    }
}

impl WhatsAppCloud {
    async fn tell(&self, login: &Login, body: Value) -> Result<(), ChannelError> {
        let call = Call::post([super::number(login)?, "messages"]).json(body);
        self.call::<Value>(login, call).await.map(drop)
    }
}

#[async_trait]
impl Typist for WhatsAppCloud {
    /// Also marks what was received as seen: Meta has one call for both. It ends with the next message or after 25 s.
    async fn typing(&self, login: &Login, chat: &str, on: bool) -> Result<(), ChannelError> {
        let last = self.last_received.of(login.account.id, chat).filter(|_| on);
        let Some(message) = last else { return Ok(()) };
        let body = json!({
            "messaging_product": "whatsapp", "status": "read", "message_id": message,
            "typing_indicator": { "type": "text" },
        });
        self.tell(login, body).await
    }
}

#[async_trait]
impl Reader for WhatsAppCloud {
    async fn mark_read(&self, login: &Login, chat: &str, provider_id: &str) -> Result<(), ChannelError> {
        let body = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": provider_id });
        self.tell(login, body).await?;
        self.last_received.note(login.account.id, chat, provider_id);
        Ok(())
    }
}

#[async_trait]
impl Reactor for WhatsAppCloud {
    async fn react(
        &self,
        login: &Login,
        chat: &str,
        provider_id: &str,
        emoji: Option<&str>,
    ) -> Result<(), ChannelError> {
        let mut body = Map::new();
        address::write(&mut body, chat);
        body.insert("messaging_product".to_owned(), "whatsapp".into());
        body.insert("type".to_owned(), "reaction".into());
        let reaction = json!({ "message_id": provider_id, "emoji": emoji.unwrap_or_default() });
        body.insert("reaction".to_owned(), reaction);
        self.tell(login, Value::Object(body)).await
    }
}

/// A template as Meta lists it.
#[derive(Deserialize)]
struct Listed {
    name: String,
    language: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    components: Value,
}

#[async_trait]
impl TemplateSource for WhatsAppCloud {
    async fn templates(&self, login: &Login) -> Result<Vec<ProviderTemplate>, ChannelError> {
        let business = login.account.settings.get(WABA_ID).and_then(Value::as_str).ok_or_else(|| {
            let message = "the account was connected without its WhatsApp Business Account's id";
            ChannelError::permanent(WABA_ID, message)
        })?;
        let call = Call::get([business, "message_templates"])
            .query("fields", "name,language,status,category,components")
            .query("limit", "100");
        let listed: Vec<Listed> = self.graph.list(login.credentials.get(super::TOKEN), call).await?;
        Ok(listed
            .into_iter()
            .map(|Listed { name, language, status, category, components }| ProviderTemplate {
                name,
                language,
                status,
                category,
                components,
            })
            .collect())
    }
}
