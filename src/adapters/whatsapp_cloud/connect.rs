//! Connecting a number by what a person enters: it is looked at, its business is told to tell us, and where it has no app
//! with an address for all, it is given one of its own.

use channel::{ChannelError, ConnectField, Connected, Credentials, ErrorClass};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{DISPLAY_PHONE, NUMBER_ID, TOKEN, WABA_ID, WhatsAppCloud};
use crate::graph::apps::{APP_ID, APP_SECRET, APP_VERIFY_TOKEN};
use crate::graph::{Call, VERIFY_TOKEN};

/// Where a number's own address for webhooks stands: `verified`, or `unverified` where Meta asked for it and got no answer.
const WEBHOOK: &str = "webhook";
/// The number's two-step verification, among the credentials.
const PIN: &str = "pin";
const NUMBER_FIELDS: &str =
    "id,display_phone_number,verified_name,quality_rating,throughput,platform_type,is_on_biz_app";

/// A number as Meta describes it.
#[derive(Deserialize)]
pub(super) struct Number {
    id: String,
    #[serde(default, rename = "display_phone_number")]
    display_phone: String,
    #[serde(default)]
    verified_name: String,
    quality_rating: Option<Value>,
    throughput: Option<Value>,
    platform_type: Option<Value>,
    is_on_biz_app: Option<Value>,
}

impl Number {
    /// What is kept of it, beside what was there.
    pub(super) fn settings(&self, mut settings: Map<String, Value>, business: &str) -> Value {
        let level = self.throughput.as_ref().and_then(|throughput| throughput.get("level")).cloned();
        let mut keep = |name: &str, value: Option<Value>| {
            if let Some(value) = value.filter(|value| !value.is_null() && *value != json!("")) {
                settings.insert(name.to_owned(), value);
            }
        };
        keep(NUMBER_ID, Some(self.id.as_str().into()));
        keep(WABA_ID, Some(business.into()));
        keep(DISPLAY_PHONE, Some(self.display_phone.as_str().into()));
        keep("quality_rating", self.quality_rating.clone());
        keep("throughput", level);
        keep("platform_type", self.platform_type.clone());
        keep("is_on_biz_app", self.is_on_biz_app.clone());
        Value::Object(settings)
    }

    pub(super) fn connected(&self, credentials: Credentials, settings: Value) -> Connected {
        let name = [&self.verified_name, &self.display_phone].into_iter().find(|name| !name.is_empty());
        Connected { external_id: self.id.clone(), name: name.cloned(), credentials, settings }
    }
}

/// The form, for who has a token already.
pub(super) fn form() -> Vec<ConnectField> {
    let field = |name, label, help, secret, required| ConnectField { name, label, help, secret, required };
    vec![
        field(
            TOKEN,
            "Access token",
            "Business settings, System users: a token of your app with whatsapp_business_messaging and whatsapp_business_management.",
            true,
            true,
        ),
        field(
            NUMBER_ID,
            "Phone number ID",
            "WhatsApp Manager, Phone numbers; or the app's page WhatsApp, API setup. Not the number itself.",
            false,
            true,
        ),
        field(
            WABA_ID,
            "WhatsApp Business Account ID",
            "On the same page. Needed for templates, and to be told of what happens.",
            false,
            false,
        ),
        field(
            APP_SECRET,
            "App secret",
            "developers.facebook.com, your app, App settings, Basic. Not needed for an account of a registered app.",
            true,
            false,
        ),
        field(
            VERIFY_TOKEN,
            "Verify token",
            "A word of your own choice, if you enter the webhook's address in the app's page by hand.",
            true,
            false,
        ),
        field(
            PIN,
            "Two-step verification PIN",
            "Six digits of your own choice, for a number that is used nowhere yet: it is registered with them.",
            true,
            false,
        ),
    ]
}

impl WhatsAppCloud {
    pub(super) async fn connect_number(
        &self,
        credentials: &Credentials,
        settings: &Value,
        webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError> {
        let given = |name: &str| {
            let setting = settings.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
            setting.unwrap_or_else(|| credentials.get(name)).trim().to_owned()
        };
        let (id, business) = (given(NUMBER_ID), given(WABA_ID));
        if id.is_empty() {
            return Err(ChannelError::permanent(NUMBER_ID, "the phone number's id is missing"));
        }
        let token = credentials.get(TOKEN);
        let call = Call::get([id.as_str()]).query("fields", NUMBER_FIELDS);
        let number: Number = self.graph.call(token, call).await?;
        if !business.is_empty() {
            let numbers = self.numbers(token, &business).await?;
            if numbers.iter().all(|one| one.id != number.id) {
                let message = "the number does not belong to that WhatsApp Business Account";
                return Err(ChannelError::permanent(WABA_ID, message));
            }
            self.subscribe(token, &business).await?;
        }
        self.register(credentials, &number).await?;
        let mut kept = number.settings(settings.as_object().cloned().unwrap_or_default(), &business);
        let mut credentials = self.with_end(credentials, credentials).await?;
        // Meta tells an app's accounts at the app's address.
        if let Some(url) = webhook_url.filter(|_| !credentials.has(APP_VERIFY_TOKEN)) {
            if credentials.get(VERIFY_TOKEN).is_empty() {
                credentials = credentials.with(VERIFY_TOKEN, self.secret());
            }
            kept[WEBHOOK] = self.point(&credentials, &number.id, url).await?.into();
        }
        Ok(number.connected(credentials, kept))
    }

    /// Makes a number ready to send that never was, if a PIN for it is given. One that is used on a phone, too, is ready.
    async fn register(&self, credentials: &Credentials, number: &Number) -> Result<(), ChannelError> {
        let is = |value: &Option<Value>, word: Value| value.as_ref() == Some(&word);
        let is_new =
            is(&number.platform_type, json!("NOT_APPLICABLE")) && !is(&number.is_on_biz_app, json!(true));
        let pin = credentials.get(PIN);
        if pin.is_empty() || !is_new {
            return Ok(());
        }
        let call = Call::post([number.id.as_str(), "register"])
            .json(json!({ "messaging_product": "whatsapp", "pin": pin }));
        self.graph.call::<Value>(credentials.get(TOKEN), call).await.map(drop)
    }

    /// Has a number's events told at an address of its own. Meta asks there at once whether it is right, and it can be only
    /// once the account is known there: where it is not yet, the number is connected all the same, and connecting it once
    /// more does the rest.
    async fn point(
        &self,
        credentials: &Credentials,
        number: &str,
        url: &str,
    ) -> Result<&'static str, ChannelError> {
        let configuration =
            json!({ "override_callback_uri": url, "verify_token": credentials.get(VERIFY_TOKEN) });
        let call = Call::post([number]).json(json!({ "webhook_configuration": configuration }));
        match self.graph.call::<Value>(credentials.get(TOKEN), call).await {
            Ok(_) => Ok("verified"),
            Err(error) if error.class == ErrorClass::Permanent => {
                tracing::info!(%error, "Meta does not tell this number's events at its own address yet");
                Ok("unverified")
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn numbers(&self, token: &str, business: &str) -> Result<Vec<Number>, ChannelError> {
        let call =
            Call::get([business, "phone_numbers"]).query("fields", NUMBER_FIELDS).query("limit", "100");
        self.graph.list(token, call).await
    }

    /// Has the app told of what happens to a business's numbers.
    pub(super) async fn subscribe(&self, token: &str, business: &str) -> Result<(), ChannelError> {
        self.graph.call::<Value>(token, Call::post([business, "subscribed_apps"])).await.map(drop)
    }

    /// The credentials with the end of their token, as far as their app is known.
    async fn with_end(
        &self,
        app: &Credentials,
        credentials: &Credentials,
    ) -> Result<Credentials, ChannelError> {
        if app.get(APP_ID).is_empty() || app.get(APP_SECRET).is_empty() {
            return Ok(credentials.clone());
        }
        match self.graph.inspect(app, credentials.get(TOKEN)).await {
            Ok(info) => Ok(info.note_end(credentials.clone())),
            // A token of another app than the one that is known here: nothing can be said of its end.
            Err(error) if error.class == ErrorClass::Permanent => Ok(credentials.clone()),
            Err(error) => Err(error),
        }
    }

    /// 256 random bits.
    fn secret(&self) -> String {
        (0..4).fold(String::new(), |secret, _| format!("{secret}{:016x}", self.ids.number()))
    }
}
