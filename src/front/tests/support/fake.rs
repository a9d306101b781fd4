//! A channel whose provider is this value.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use channel::{
    Accepted, Apps, Capabilities, Channel, ChannelError, ConnectField, ConnectStep, Connected, Credentials,
    ErrorClass, Limit, LimitScope, Login, MediaLimit, Method, OAuth, Outgoing, Pacing, ParseError, Polled,
    Poller, Session, Sessions, TextUnit, WebhookAnswer, WebhookError, WebhookEvent, WebhookRequest,
    WebhookResponse, Window, signature,
};
use model::{Account, ContentKind, Inbound};
use serde_json::Value;

/// Accepts tokens of the form `login:secret`; the part before the colon is who it is, some words misbehave.
#[derive(Debug)]
pub struct Fake {
    name: &'static str,
    capabilities: Capabilities,
    /// What `connect` was told to deliver to, in order.
    pub delivers_to: Mutex<Vec<String>>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            name: "fake",
            capabilities: Capabilities {
                sends: vec![ContentKind::Text, ContentKind::Location, ContentKind::Image],
                text_max: 100,
                text_unit: TextUnit::Chars,
                caption_max: 0,
                captions: vec![ContentKind::Image, ContentKind::Document],
                media: vec![MediaLimit {
                    kind: ContentKind::Image,
                    max_bytes: 1_000,
                    mimes: vec!["image/*"],
                }],
                buttons: false,
                replies: true,
                edits: true,
                deletes: true,
                reactions: true,
                typing: true,
                receipts: true,
                deduplicates: false,
                width: 1,
                pacing: Pacing::Person,
                window: None,
                limits: vec![Limit {
                    name: "fake_second",
                    scope: LimitScope::Account,
                    count: 5,
                    seconds: 1.0,
                    burst: None,
                    source: "https://fake.example/limits",
                    read_on: "2025-11-20",
                }],
            },
            delivers_to: Mutex::default(),
        }
    }
}

impl Fake {
    /// One whose accounts are devices.
    pub fn device() -> Self {
        Self { name: "device", ..Self::default() }
    }

    /// One whose accounts belong to an app: events come to one address and name their account.
    /// One may answer for a day, a person for a week, and send templates after that.
    pub fn mall() -> Self {
        let mut mall = Self { name: "mall", ..Self::default() };
        mall.capabilities.sends.push(ContentKind::ProviderTemplate);
        mall.capabilities.window = Some(Window {
            seconds: 86_400,
            person_seconds: Some(7 * 86_400),
            templates_after: true,
            source: "https://mall.example/window",
            read_on: "2025-11-20",
        });
        mall
    }

    /// One that can send and nothing else.
    pub fn plain() -> Self {
        let mut plain = Self { name: "plain", ..Self::default() };
        let can = &mut plain.capabilities;
        (can.edits, can.deletes, can.reactions, can.typing) = (false, false, false, false);
        plain
    }
}

#[async_trait]
impl Channel for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn connect_steps(&self) -> Vec<ConnectStep> {
        let field =
            |name, secret, required| ConnectField { name, label: name, help: "made up", secret, required };
        let fields = vec![
            field("token", true, self.name != "device"),
            field("region", false, false),
            field("phone", false, false),
        ];
        vec![ConnectStep::Fields { fields }]
    }

    async fn connect(
        &self,
        credentials: &Credentials,
        settings: &Value,
        webhook_url: Option<&str>,
    ) -> Result<Connected, ChannelError> {
        let token = credentials.get("token");
        let login = token.split(':').next().unwrap_or_default();
        match login {
            "refused" => {
                return Err(ChannelError::permanent("401", format!("the token {token} is not valid")));
            }
            "hangs" => std::future::pending().await,
            "panics" => panic!("the fake provider was told to"),
            "away" => return Err(ChannelError::retry("connect", "nobody answers")),
            "busy" => {
                let class = ErrorClass::RetryAfter(Some(std::time::Duration::from_secs(7)));
                return Err(ChannelError::new(class, "429", "slow down"));
            }
            _ => {}
        }
        if self.name == "mall" && credentials.get("app_secret").is_empty() {
            return Err(ChannelError::permanent("401", "the mall wants to know the app"));
        }
        self.delivers_to.lock().unwrap().extend(webhook_url.map(str::to_owned));
        Ok(Connected {
            external_id: login.to_owned(),
            name: Some(format!("Fake {login}")),
            credentials: credentials.clone().with("webhook_secret", format!("hook-{token}")),
            settings: settings.clone(),
        })
    }

    async fn send(&self, _: &Login, _: &Outgoing) -> Result<Accepted, ChannelError> {
        Err(ChannelError::permanent("none", "the front sends nothing"))
    }

    fn receive(&self, login: &Login, request: &WebhookRequest<'_>) -> Result<WebhookResponse, WebhookError> {
        let given = request.header("x-fake-secret").unwrap_or_default();
        if !signature::secrets_match(login.credentials.get("webhook_secret"), given) {
            return Err(WebhookError::Signature);
        }
        let payload: Value =
            serde_json::from_slice(request.body).map_err(|_| WebhookError::Malformed("fake"))?;
        let id = payload["id"].as_i64().ok_or(WebhookError::Malformed("fake"))?;
        Ok(WebhookResponse {
            events: vec![WebhookEvent { dedupe_key: id.to_string(), account: None, payload }],
            answer: request.query.strip_prefix("challenge=").map(WebhookAnswer::text),
        })
    }

    fn parse(&self, _: &Account, _: &Value) -> Result<Vec<Inbound>, ParseError> {
        Ok(Vec::new())
    }

    fn poller(&self) -> Option<&dyn Poller> {
        Some(self)
    }

    fn apps(&self) -> Option<&dyn Apps> {
        (self.name == "mall").then_some(self)
    }

    fn sessions(&self) -> Option<&dyn Sessions> {
        (self.name == "device").then_some(self)
    }
}

#[async_trait]
impl Apps for Fake {
    fn provider(&self) -> &'static str {
        "bazaar"
    }

    fn fields(&self) -> Vec<ConnectField> {
        let field =
            |name, required| ConnectField { name, label: name, help: "made up", secret: true, required };
        vec![field("app_id", true), field("app_secret", true), field("app_verify_token", false)]
    }

    fn oauth(&self) -> Option<&dyn OAuth> {
        Some(self)
    }

    fn receive(
        &self,
        app: &Credentials,
        request: &WebhookRequest<'_>,
    ) -> Result<WebhookResponse, WebhookError> {
        if request.method == Method::Get {
            let given = request.parameter("verify_token").unwrap_or_default();
            if !signature::secrets_match(app.get("app_verify_token"), &given) {
                return Err(WebhookError::Signature);
            }
            let challenge = request.parameter("challenge").unwrap_or_default();
            return Ok(WebhookResponse::answered(WebhookAnswer::text(challenge)));
        }
        let given = request.header("x-fake-secret").unwrap_or_default();
        if !signature::secrets_match(app.get("app_secret"), given) {
            return Err(WebhookError::Signature);
        }
        let payload: Value =
            serde_json::from_slice(request.body).map_err(|_| WebhookError::Malformed("mall"))?;
        let events = payload["events"].as_array().ok_or(WebhookError::Malformed("mall"))?;
        let event = |event: &Value| WebhookEvent {
            dedupe_key: event["id"].to_string(),
            account: event["account"].as_str().map(str::to_owned),
            payload: event.clone(),
        };
        let answer = Some(WebhookAnswer::json(&serde_json::json!({"taken": events.len()})));
        Ok(WebhookResponse { events: events.iter().map(event).collect(), answer })
    }
}

#[async_trait]
impl OAuth for Fake {
    fn page(&self, app: &Credentials, redirect: &str, state: &str) -> Result<String, ChannelError> {
        let id = app.get("app_id");
        Ok(format!("https://mall.example/oauth?client_id={id}&redirect_uri={redirect}&state={state}"))
    }

    async fn finish(
        &self,
        app: &Credentials,
        redirect: &str,
        query: &BTreeMap<String, String>,
    ) -> Result<Vec<Connected>, ChannelError> {
        assert!(redirect.ends_with("/oauth/mall/callback"), "{redirect}");
        let code = query.get("code").map(String::as_str).unwrap_or_default();
        let secret = app.get("app_secret");
        if code.starts_with("denied") {
            return Err(ChannelError::permanent("access_denied", format!("{code} is not for {secret}")));
        }
        let found = |login: &str| Connected {
            external_id: login.to_owned(),
            name: Some(format!("Page {login}")),
            credentials: app.clone().with("token", format!("{login}:{secret}")),
            settings: serde_json::json!({"region": "eu"}),
        };
        Ok(code.split('+').filter(|login| !login.is_empty()).map(found).collect())
    }
}

#[async_trait]
impl Sessions for Fake {
    async fn open(&self, _: &Login) -> Result<Box<dyn Session>, ChannelError> {
        Err(ChannelError::permanent("none", "the front opens nothing"))
    }
}

#[async_trait]
impl Poller for Fake {
    async fn poll(&self, _: &Login, _: Option<&str>) -> Result<Polled, ChannelError> {
        Err(ChannelError::permanent("none", "the front asks for nothing"))
    }
}
