//! Apps: the address that all their numbers share, connecting on Meta's page, and renewing tokens that end.

use std::collections::BTreeMap;

use async_trait::async_trait;
use channel::{
    Apps, ChannelError, ConnectField, Connected, Credentials, Login, OAuth, Refresher, WebhookError,
    WebhookRequest, WebhookResponse,
};
use model::Timestamp;
use serde_json::Map;

use super::{TOKEN, WhatsAppCloud, hook};
use crate::graph::apps::{PROVIDER, fields};
use crate::graph::{code, refresh_at};

/// What the page asks for.
const MANAGEMENT: &str = "whatsapp_business_management";
const MESSAGING: &str = "whatsapp_business_messaging";

#[async_trait]
impl Apps for WhatsAppCloud {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn fields(&self) -> Vec<ConnectField> {
        fields()
    }

    /// Events of a number carry its id; what concerns a whole WhatsApp Business Account carries `waba:<its id>`, for each of
    /// its numbers.
    fn receive(
        &self,
        app: &Credentials,
        request: &WebhookRequest<'_>,
    ) -> Result<WebhookResponse, WebhookError> {
        hook::receive(app, request)
    }

    fn oauth(&self) -> Option<&dyn OAuth> {
        Some(self)
    }
}

#[async_trait]
impl OAuth for WhatsAppCloud {
    fn page(&self, app: &Credentials, redirect: &str, state: &str) -> Result<String, ChannelError> {
        self.graph.login_page(app, redirect, state, &[MANAGEMENT, MESSAGING])
    }

    /// Every number of every business that the person let the app in for.
    async fn finish(
        &self,
        app: &Credentials,
        redirect: &str,
        query: &BTreeMap<String, String>,
    ) -> Result<Vec<Connected>, ChannelError> {
        let mut token = self.graph.token_for_code(app, redirect, code(query)?).await?;
        let mut info = self.graph.inspect(app, &token).await?;
        // A business's token lasts; a person's is good for hours.
        if info.expires_at > 0 {
            token = self.graph.long_lived(app, &token).await?;
            info = self.graph.inspect(app, &token).await?;
        }
        let mut businesses: Vec<&str> = info.targets(MANAGEMENT).chain(info.targets(MESSAGING)).collect();
        businesses.sort_unstable();
        businesses.dedup();
        let credentials = info.note_end(Credentials::default().with(TOKEN, token.as_str()));
        let mut connected = Vec::new();
        for business in businesses {
            let numbers = self.numbers(&token, business).await?;
            self.subscribe(&token, business).await?;
            connected.extend(
                numbers.iter().map(|number| {
                    number.connected(credentials.clone(), number.settings(Map::new(), business))
                }),
            );
        }
        if connected.is_empty() {
            let message = "the app was let in for no WhatsApp number";
            return Err(ChannelError::permanent("no_accounts", message));
        }
        Ok(connected)
    }
}

#[async_trait]
impl Refresher for WhatsAppCloud {
    fn refresh_at(&self, credentials: &Credentials) -> Option<Timestamp> {
        refresh_at(credentials)
    }

    /// The old token stays good until its end, so nothing is lost when the new one is.
    async fn refresh(&self, login: &Login) -> Result<Credentials, ChannelError> {
        let credentials = &login.credentials;
        let token = self.graph.long_lived(credentials, credentials.get(TOKEN)).await?;
        let info = self.graph.inspect(credentials, &token).await?;
        Ok(info.note_end(credentials.clone().with(TOKEN, token)))
    }
}
