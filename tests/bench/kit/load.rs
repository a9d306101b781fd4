//! Load over HTTP/1.1: so many connections, each with one request at a time, as fast as they are answered or at a rate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::statistics::quantile;

/// Where load goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// `host:port`.
    pub host: String,
    /// Said with each request.
    pub headers: Vec<(String, String)>,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Post {
    /// Its path.
    pub path: String,
    /// Its JSON.
    pub body: Bytes,
    /// Headers of its own.
    pub headers: Vec<(String, String)>,
}

/// How much, and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections.
    pub connections: usize,
    /// Requests in all.
    pub requests: usize,
    /// Requests a second; none: as fast as they are answered. Who is late catches up, and its requests count from when they
    /// should have been made.
    pub rate: Option<f64>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// When the first request was made.
    pub begun: Instant,
    /// When the last answer came.
    pub ended: Instant,
    /// From each request to its answer, in ms, sorted; of those that were accepted.
    pub times: Vec<f64>,
    /// When each accepted request was made and answered, by its number.
    pub moments: BTreeMap<usize, (Instant, Instant)>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, usize>,
}

impl Loaded {
    /// Accepted requests a second.
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let accepted = self.times.len() as f64;
        accepted / self.ended.duration_since(self.begun).as_secs_f64()
    }

    /// The time that a share `q` of the accepted requests did not exceed, in ms.
    pub fn time(&self, q: f64) -> f64 {
        quantile(&self.times, q)
    }
}

/// One connection that is kept open.
#[derive(Debug)]
pub struct Connection {
    target: Target,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn open(target: &Target) -> Self {
        let stream = TcpStream::connect(&target.host).await.expect("somebody listens");
        stream.set_nodelay(true).expect("a socket that can be set up");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1 is spoken");
        tokio::spawn(connection);
        Self { target: target.clone(), sender }
    }

    /// Makes one request and reads its whole answer; the status.
    ///
    /// # Panics
    /// When the connection breaks.
    pub async fn post(&mut self, post: Post) -> u16 {
        let mut request = Request::post(post.path).header("host", &self.target.host);
        for (name, value) in self.target.headers.iter().chain(&post.headers) {
            request = request.header(name, value);
        }
        let request = request.header("content-type", "application/json").body(Full::new(post.body));
        self.sender.ready().await.expect("the connection is kept");
        let answer = self.sender.send_request(request.expect("a request")).await.expect("an answer");
        let status = answer.status().as_u16();
        answer.into_body().collect().await.expect("the whole answer");
        status
    }
}

impl Load {
    /// Makes requests; `post` gives that of each number from 0.
    ///
    /// # Panics
    /// When a connection breaks.
    pub async fn run(self, target: &Target, post: impl Fn(usize) -> Post + Send + Sync + 'static) -> Loaded {
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(Connection::open(target).await);
        }
        let (post, next) = (Arc::new(post), Arc::new(AtomicUsize::new(0)));
        let begun = Instant::now();
        let tasks: Vec<_> = connections
            .into_iter()
            .map(|connection| {
                tokio::spawn(self.drive(connection, Arc::clone(&post), Arc::clone(&next), begun))
            })
            .collect();
        let mut loaded = Loaded {
            begun,
            ended: begun,
            times: Vec::new(),
            moments: BTreeMap::new(),
            statuses: BTreeMap::new(),
        };
        for task in tasks {
            for (number, status, asked, answered) in task.await.expect("a connection that lasts") {
                *loaded.statuses.entry(status).or_default() += 1;
                loaded.ended = loaded.ended.max(answered);
                if (200..300).contains(&status) {
                    loaded.times.push(answered.duration_since(asked).as_secs_f64() * 1e3);
                    loaded.moments.insert(number, (asked, answered));
                }
            }
        }
        loaded.times.sort_by(f64::total_cmp);
        loaded
    }

    async fn drive(
        self,
        mut connection: Connection,
        post: Arc<impl Fn(usize) -> Post + Send + Sync + 'static>,
        next: Arc<AtomicUsize>,
        begun: Instant,
    ) -> Vec<(usize, u16, Instant, Instant)> {
        let mut answers = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.requests {
                return answers;
            }
            let asked = match self.rate {
                None => Instant::now(),
                Some(rate) => {
                    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
                    let at = begun + Duration::from_secs_f64(number as f64 / rate);
                    tokio::time::sleep_until(at.into()).await;
                    at
                }
            };
            let status = connection.post(post(number)).await;
            answers.push((number, status, asked, Instant::now()));
        }
    }
}
