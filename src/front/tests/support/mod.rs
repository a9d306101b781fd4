//! A front to ask, and the answers it gives.

pub mod document;
pub mod fake;
pub mod logs;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use channel::{Channel, Channels};
use front::{Front, FrontConfig};
use media::{MediaPlace, MediaStore};
use model::{AccountId, Clock, Ids, SystemClock, WorkspaceId};
use queue::{Lanes, MemoryEngine};
use serde_json::{Value, json};
use store::{NewApiKey, SCOPES, Sealer, Store, StoreConfig};
use tower::ServiceExt;

use fake::Fake;

/// Planted wherever a secret goes; it must never come back.
pub const SECRET: &str = "s3cr3t-t0ken-of-the-fake-provider";

/// A front with a workspace and a key that may do everything.
pub struct App {
    pub front: Front,
    pub router: Router,
    pub store: Store,
    pub lanes: Lanes,
    pub hints: events::Hints,
    pub fake: Arc<Fake>,
    pub workspace: WorkspaceId,
    pub key: String,
    data: tempfile::TempDir,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The body, after checking the status.
    pub fn ok(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem's kind and its fields, after checking status and media type.
    pub fn problem(self, status: u16) -> (String, Vec<String>) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem: front::ProblemDetails = serde_json::from_str(&self.text).unwrap();
        assert_eq!(problem.status, status);
        (problem.r#type, problem.errors.into_iter().map(|error| error.field).collect())
    }

    /// The only field that is not right.
    pub fn field(self) -> String {
        let (_, mut fields) = self.problem(422);
        assert_eq!(fields.len(), 1, "{fields:?}");
        fields.remove(0)
    }
}

impl App {
    pub async fn new() -> Self {
        Self::with(FrontConfig {
            public_url: Some("https://rookery.example/".to_owned()),
            metrics: Some(Arc::new(|| "up 1\n".to_owned())),
            ..FrontConfig::default()
        })
        .await
    }

    pub async fn with(config: FrontConfig) -> Self {
        logs::keep();
        let data = tempfile::tempdir().unwrap();
        let ids = Arc::new(Ids::from_os());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let sealer = Sealer::parse(&Sealer::generate(&ids)).unwrap();
        let path = data.path().join("rookery.db");
        let store =
            Store::open(&StoreConfig::Sqlite { path }, sealer, clock.clone(), ids.clone()).await.unwrap();
        let workspace = store.default_workspace().await.unwrap();
        let lanes = Lanes::on_clock(Arc::new(MemoryEngine::new(clock.clone())), clock.clone());
        let hints = events::Hints::in_process();
        let fake = Arc::new(Fake::default());
        let others =
            [Fake::plain(), Fake::device(), Fake::mall()].map(|fake| Arc::new(fake) as Arc<dyn Channel>);
        let channels: Channels = others.into_iter().chain([fake.clone() as Arc<dyn Channel>]).collect();
        let place = MediaPlace::Folder(data.path().join("media"));
        let http = outbound::Http::new(&outbound::HttpConfig::default()).unwrap();
        let media = MediaStore::open(place, &http).unwrap();
        let front =
            Front::new(config, store.clone(), lanes.clone(), channels, media, hints.clone(), clock, ids);
        let all = SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
        let mut app = Self {
            router: front.clone().router(),
            front,
            store,
            lanes,
            hints,
            fake,
            workspace,
            key: String::new(),
            data,
        };
        app.key = app.key_with(all, None).await;
        app
    }

    /// The same installation with one channel switched off.
    pub fn without(&self, channel: &str) -> Router {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let all = [Fake::default(), Fake::plain(), Fake::device(), Fake::mall()];
        let channels: Channels = all
            .into_iter()
            .filter(|fake| fake.name() != channel)
            .map(|fake| Arc::new(fake) as Arc<dyn Channel>)
            .collect();
        let http = outbound::Http::new(&outbound::HttpConfig::default()).unwrap();
        let media = MediaStore::open(MediaPlace::Folder(self.media_folder()), &http).unwrap();
        let (store, lanes, hints) = (self.store.clone(), self.lanes.clone(), self.hints.clone());
        let ids = Arc::new(Ids::from_os());
        Front::new(FrontConfig::default(), store, lanes, channels, media, hints, clock, ids).router()
    }

    /// Where its files lie.
    pub fn media_folder(&self) -> std::path::PathBuf {
        self.data.path().join("media")
    }

    pub async fn key_with(&self, scopes: Vec<String>, accounts: Option<Vec<AccountId>>) -> String {
        self.key_in(self.workspace, scopes, accounts).await
    }

    pub async fn key_in(
        &self,
        workspace: WorkspaceId,
        scopes: Vec<String>,
        accounts: Option<Vec<AccountId>>,
    ) -> String {
        let new = NewApiKey { name: "test".to_owned(), scopes, accounts };
        self.store.create_api_key(workspace, new).await.unwrap().1
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 10_000_000).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        extra: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !extra.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in extra {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None, &[]).await
    }

    pub async fn get_as(&self, key: &str, path: &str) -> Answer {
        self.call(Method::GET, path, None, &[("authorization", &format!("Bearer {key}"))]).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body), &[]).await
    }

    pub async fn post_as(&self, key: &str, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body), &[("authorization", &format!("Bearer {key}"))]).await
    }

    pub async fn post_keyed(&self, idempotency: &str, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body), &[("idempotency-key", idempotency)]).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body), &[]).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None, &[]).await
    }

    /// Connects an account of the fake provider and gives its id.
    pub async fn account(&self, login: &str) -> String {
        let body = json!({"channel": "fake", "credentials": {"token": format!("{login}:{SECRET}")}});
        let account = self.post("/v1/accounts", body).await.ok(201);
        account["id"].as_str().unwrap().to_owned()
    }

    /// Sends a text and gives the message.
    pub async fn text(&self, account: &str, address: &str, text: &str) -> Value {
        let body = json!({
            "account_id": account, "to": {"address": address}, "content": {"type": "text", "text": text}
        });
        self.post("/v1/messages", body).await.ok(202)
    }
}
