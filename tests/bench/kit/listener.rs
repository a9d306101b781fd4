//! A reader of realtime events, which notes when it heard of each message first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::load::Target;

/// A stream of events that is read to its end. It closes with this value.
#[derive(Debug)]
pub struct Listener {
    heard: Arc<Mutex<HashMap<String, Instant>>>,
    reading: JoinHandle<()>,
}

impl Listener {
    /// Listens to whatever happens from now on.
    ///
    /// # Panics
    /// When there is no stream.
    pub async fn start(target: &Target) -> Self {
        let mut stream = TcpStream::connect(&target.host).await.expect("the API is there");
        let mut request = format!("GET /v1/events HTTP/1.1\r\nhost: {}\r\n", target.host);
        for (name, value) in &target.headers {
            request.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
        }
        stream.write_all(format!("{request}\r\n").as_bytes()).await.expect("the API listens");
        let mut lines = BufReader::new(stream).lines();
        let first = lines.next_line().await.expect("the API answers").unwrap_or_default();
        assert!(first.contains("200"), "no stream of events: {first}");
        let heard: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
        let noted = Arc::clone(&heard);
        let reading = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let now = Instant::now();
                let event =
                    line.strip_prefix("data:").and_then(|data| serde_json::from_str::<Value>(data).ok());
                let text = event.as_ref().and_then(|event| event["data"]["content"]["text"].as_str());
                if let Some(text) = text {
                    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    noted.entry(text.to_owned()).or_insert(now);
                }
            }
        });
        Self { heard, reading }
    }

    /// When it first heard of the message that says `text`.
    pub fn heard(&self, text: &str) -> Option<Instant> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(text).copied()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.reading.abort();
    }
}
