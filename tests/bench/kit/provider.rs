//! A provider's stand-in for load: it speaks the few methods of Telegram's Bot API that a send needs, takes everything at
//! once, and notes when. It judges nothing, so that it costs neither side of a comparison more than a line of JSON.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Longer than this nobody waits for calls that do not come.
const PATIENCE: Duration = Duration::from_mins(5);

#[derive(Debug, Default)]
struct Taken {
    sends: AtomicU64,
    last: Mutex<Option<Instant>>,
    /// When the send of each text came first, while somebody wants to know.
    texts: Mutex<Option<HashMap<String, Instant>>>,
}

/// A running stand-in. It ends with this value.
#[derive(Debug)]
pub struct Provider {
    addr: SocketAddr,
    taken: Arc<Taken>,
    serving: JoinHandle<()>,
}

#[derive(Deserialize)]
struct Send {
    chat_id: Value,
    text: String,
}

impl Provider {
    /// Starts to listen.
    ///
    /// # Panics
    /// When there is no port to listen on.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("its number");
        let taken: Arc<Taken> = Arc::default();
        let serving = tokio::spawn(serve(listener, Arc::clone(&taken)));
        Self { addr, taken, serving }
    }

    /// Its address, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// How many messages it took so far.
    pub fn sends(&self) -> u64 {
        self.taken.sends.load(Ordering::Relaxed)
    }

    /// Notes from now on when each text came.
    pub fn note_texts(&self) {
        *lock(&self.taken.texts) = Some(HashMap::new());
    }

    /// When each text came since [`Provider::note_texts`]; it notes no more.
    pub fn texts(&self) -> HashMap<String, Instant> {
        lock(&self.taken.texts).take().unwrap_or_default()
    }

    /// Waits until it has taken so many messages in all; when it took the last.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn took(&self, sends: u64) -> Instant {
        let end = Instant::now() + PATIENCE;
        while self.sends() < sends {
            assert!(Instant::now() < end, "{} of {sends} messages came", self.sends());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lock(&self.taken.last).unwrap_or_else(Instant::now)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, taken: Arc<Taken>) {
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream.set_nodelay(true));
        let taken = Arc::clone(&taken);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&taken), request));
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn answer(taken: Arc<Taken>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let (bot, method) = path.trim_start_matches("/bot").split_once('/').unwrap_or(("", ""));
    let body =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let result = match method {
        "getMe" => {
            let id: u64 = bot.split(':').next().and_then(|id| id.parse().ok()).unwrap_or(1);
            json!({"id": id, "is_bot": true, "first_name": format!("Bot {id}"), "username": format!("bot_{id}")})
        }
        "sendMessage" => match serde_json::from_slice::<Send>(&body) {
            Ok(send) => taken.take(send),
            Err(_) => {
                return Ok(respond(&json!({"ok": false, "error_code": 400, "description": "Bad Request"})));
            }
        },
        _ => json!(true),
    };
    Ok(respond(&json!({"ok": true, "result": result})))
}

impl Taken {
    fn take(&self, send: Send) -> Value {
        let now = Instant::now();
        let number = self.sends.fetch_add(1, Ordering::Relaxed) + 1;
        *lock(&self.last) = Some(now);
        if let Some(texts) = lock(&self.texts).as_mut() {
            texts.entry(send.text).or_insert(now);
        }
        json!({"message_id": number, "date": 1, "chat": {"id": send.chat_id, "type": "private"}})
    }
}

fn respond(body: &Value) -> Response<Full<Bytes>> {
    let body = Full::new(Bytes::from(body.to_string()));
    let response = Response::builder().header("content-type", "application/json");
    response.body(body).expect("a response of fixed parts")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
