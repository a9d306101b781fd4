//! Connecting a shop: what a person enters, which of the seller's shops is meant, and where its events go.

use channel::{ChannelError, ConnectField, Connected, Credentials, ErrorClass};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Call;
use super::{ACCESS_TOKEN, APP_KEY, APP_SECRET, CONVERSATIONS, REFRESH_TOKEN, SHOP_CIPHER, TikTok, word};

/// What a shop's webhook is asked for.
const TOPICS: &[&str] =
    &["NEW_MESSAGE", "NEW_CONVERSATION", "SELLER_DEAUTHORIZATION", "UPCOMING_AUTHORIZATION_EXPIRATION"];

/// A shop that a seller let the app into.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shop {
    id: String,
    name: Option<String>,
    region: Option<String>,
    seller_type: Option<String>,
    /// What calls name the shop by.
    cipher: String,
    code: Option<String>,
}

#[derive(Deserialize)]
struct Shops {
    #[serde(default)]
    shops: Vec<Shop>,
}

/// The form.
pub(super) fn fields() -> Vec<ConnectField> {
    let field = |name, label, help, secret, required| ConnectField { name, label, help, secret, required };
    let own_app = "Only if the account belongs to no app that is registered here. Partner Center, App & Service, your app.";
    vec![
        field(
            ACCESS_TOKEN,
            "Access token",
            "What Get Access Token answers once the seller has let the app in.",
            true,
            true,
        ),
        field(
            REFRESH_TOKEN,
            "Refresh token",
            "It comes with the access token, which ends after a week without it.",
            true,
            false,
        ),
        field(
            SHOP_CIPHER,
            "Shop cipher",
            "What Get Authorized Shops answers. Needed only if the seller has several shops.",
            true,
            false,
        ),
        field("shop_id", "Shop ID", "In place of the cipher.", false, false),
        field(APP_KEY, "App key", own_app, true, false),
        field(APP_SECRET, "App secret", own_app, true, false),
    ]
}

impl TikTok {
    /// Asks which shops the token opens and takes the one that is meant; then whether its conversations may be read, because
    /// customer service is a leave of its own that most apps lack.
    pub(super) async fn connect_shop(
        &self,
        credentials: &Credentials,
        settings: &Value,
        webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError> {
        let shops = self.shops(credentials).await?;
        let shop_id = settings.get("shop_id").and_then(word);
        let shop = meant(&shops, credentials.get(SHOP_CIPHER), shop_id.as_deref())?;
        let connected = connected(shop, credentials.clone(), settings);
        let probe = Call::get(CONVERSATIONS).with("page_size", "1");
        self.api.call::<Value>(&connected.credentials, probe).await?;
        if let Some(url) = webhook_url {
            self.tell_webhook(&connected.credentials, url).await?;
        }
        Ok(connected)
    }

    /// The shops that these credentials open.
    pub(super) async fn shops(&self, credentials: &Credentials) -> Result<Vec<Shop>, ChannelError> {
        let call = Call::get("/authorization/202309/shops").of_seller();
        self.api.call::<Shops>(credentials, call).await.map(|shops| shops.shops)
    }

    /// Tells TikTok where the shop's events go. An app whose address stands in Partner Center may lack the leave for it.
    async fn tell_webhook(&self, credentials: &Credentials, url: &str) -> Result<(), ChannelError> {
        for topic in TOPICS {
            let body = json!({ "event_type": topic, "address": url });
            let told = self.api.call::<Value>(credentials, Call::put("/event/202309/webhooks", &body)).await;
            match told {
                Ok(_) => {}
                Err(error) if matches!(error.class, ErrorClass::Retry | ErrorClass::RetryAfter(_)) => {
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(topic, %error, "TikTok was not told the webhook's address: Partner Center has to be");
                }
            }
        }
        Ok(())
    }
}

/// A shop as an account.
pub(super) fn connected(shop: &Shop, credentials: Credentials, settings: &Value) -> Connected {
    let mut settings = settings.as_object().cloned().unwrap_or_default();
    settings.insert("shop_id".to_owned(), shop.id.as_str().into());
    for (name, value) in [("region", &shop.region), ("seller_type", &shop.seller_type), ("code", &shop.code)]
    {
        if let Some(value) = value {
            settings.insert(name.to_owned(), value.as_str().into());
        }
    }
    settings.retain(|_, value| !value.is_null());
    Connected {
        external_id: shop.id.clone(),
        name: shop.name.clone().filter(|name| !name.is_empty()),
        credentials: credentials.with(SHOP_CIPHER, shop.cipher.as_str()),
        settings: Value::Object(settings),
    }
}

/// The shop that is meant: by its cipher, by its id, or because there is no other. A cipher that changed is found by the id.
pub(super) fn meant<'a>(shops: &'a [Shop], cipher: &str, id: Option<&str>) -> Result<&'a Shop, ChannelError> {
    let by_id = || shops.iter().find(|shop| Some(shop.id.as_str()) == id);
    if let Some(shop) = shops.iter().find(|shop| shop.cipher == cipher && !cipher.is_empty()).or_else(by_id) {
        return Ok(shop);
    }
    let refuse = |message: String| Err(ChannelError::permanent("shop", message));
    match shops {
        [] => refuse("the seller let the app into no shop".to_owned()),
        [only] if cipher.is_empty() && id.is_none() => Ok(only),
        _ => {
            let names =
                shops.iter().map(|shop| format!("{} ({})", shop.id, shop.name.as_deref().unwrap_or("?")));
            let names: Vec<_> = names.collect();
            refuse(format!("say by `shop_id` or `shop_cipher` which shop is meant: {}", names.join(", ")))
        }
    }
}
