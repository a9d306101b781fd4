//! Pages, by which Messenger's accounts, and Instagram's in the older of their two ways, let an app in.

use std::collections::BTreeMap;

use channel::{ChannelError, Credentials};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Messaging, PAGE_ID, TOKEN};
use crate::graph::{Call, code};

/// What a page's app is told of. One list for both channels: a page has one, and the last one given holds.
const PAGE_EVENTS: &str = "messages,messaging_postbacks,message_deliveries,message_reads,message_reactions,message_echoes,message_edits,messaging_referrals,messaging_optins,messaging_handovers,standby,messaging_policy_enforcement";
/// What a page shows before and beside a conversation, among the settings: the menu, the button to get started, ice
/// breakers, a greeting; in Meta's own form, and set when the account is connected.
pub(crate) const PROFILE: &str = "messenger_profile";
/// What a page's own description holds.
const PAGE_FIELDS: &str = "id,name,instagram_business_account{id,username}";

/// A page.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Page {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: Option<String>,
    /// Speaks for it; only where pages are listed.
    pub access_token: Option<String>,
    /// The account of Instagram's that is tied to it.
    pub instagram_business_account: Option<InstagramAccount>,
}

/// An account of Instagram's, as its page knows it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct InstagramAccount {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub username: Option<String>,
}

impl Messaging {
    /// The page that a token speaks for.
    pub async fn page_of(&self, token: &str) -> Result<Page, ChannelError> {
        let call = Call::get(["me"]).query("fields", PAGE_FIELDS);
        self.graph.call(token, call).await
    }

    /// Has the app told of what happens at a page.
    pub async fn subscribe_page(&self, token: &str, page: &str) -> Result<(), ChannelError> {
        let call = Call::post([page, "subscribed_apps"]).query("subscribed_fields", PAGE_EVENTS);
        self.graph.call::<Value>(token, call).await.map(drop)
    }

    /// The pages that a person let the app in for, with tokens that last: those that a person's long-lived token is asked
    /// for do.
    pub async fn let_in(
        &self,
        app: &Credentials,
        redirect: &str,
        query: &BTreeMap<String, String>,
    ) -> Result<Vec<Page>, ChannelError> {
        let short = self.graph.token_for_code(app, redirect, code(query)?).await?;
        let person = self.graph.long_lived(app, &short).await?;
        let fields = format!("access_token,{PAGE_FIELDS}");
        let call = Call::get(["me", "accounts"]).query("fields", fields).query("limit", "100");
        self.graph.list(&person, call).await
    }

    /// Sets what is shown beside a conversation, as far as the settings say something of it.
    pub async fn set_profile(&self, token: &str, node: &str, settings: &Value) -> Result<(), ChannelError> {
        self.set_profile_at(&self.graph, token, node, settings).await
    }

    /// The same, through the account of Instagram's itself.
    pub async fn set_own_profile(&self, token: &str, settings: &Value) -> Result<(), ChannelError> {
        self.set_profile_at(&self.instagram, token, "me", settings).await
    }

    async fn set_profile_at(
        &self,
        graph: &crate::graph::Graph,
        token: &str,
        node: &str,
        settings: &Value,
    ) -> Result<(), ChannelError> {
        let Some(profile) = settings.get(PROFILE).and_then(Value::as_object).filter(|it| !it.is_empty())
        else {
            return Ok(());
        };
        let mut profile = profile.clone();
        if let Some(platform) = self.dialect.platform {
            profile.insert("platform".to_owned(), platform.into());
        }
        let call = Call::post([node, PROFILE]).json(Value::Object(profile));
        graph.call::<Value>(token, call).await.map(drop)
    }
}

/// The settings of an account with its page in them.
pub(crate) fn with_page(settings: &Value, page: &str) -> Map<String, Value> {
    let mut settings = settings.as_object().cloned().unwrap_or_default();
    settings.insert(PAGE_ID.to_owned(), page.into());
    settings
}

/// The credentials that speak for a page.
pub(crate) fn credentials(page: &Page) -> Credentials {
    Credentials::default().with(TOKEN, page.access_token.clone().unwrap_or_default())
}

/// What is said when a person let the app in for nothing.
pub(crate) fn nobody(what: &str) -> ChannelError {
    ChannelError::permanent("no_accounts", format!("the app was let in for no {what}"))
}
