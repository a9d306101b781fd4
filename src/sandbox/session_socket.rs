//! `GET /v1/session`, upgraded to `sandbox-session`: JSON, a line each, both ways.
//!
//! The device says `{"type":"hello","secret"?,"phone"?}` and is told `pairing {how, code, ttl_ms}` (again with each new
//! code), `paired {secret}`, `online {id, name}`, `events {events, cursor}` (repeated to the next connection until it says
//! `ack {cursor}`), `answer {n, status, body}` to its `call {n, what, id?, body}`, `ping` (which it answers with `pong`) and
//! in the end `bye {reason, ms?}`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, WriteHalf};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::actions::act;
use crate::http::body;
use crate::judge::End;
use crate::send::send;
use crate::session::{self, Bye, CODES, Word};
use crate::wire::Refusal;
use crate::world::World;

/// The protocol's name in `Upgrade`.
const PROTOCOL: &str = "sandbox-session";
const PING: Duration = Duration::from_secs(1);
/// Who is not heard of for so long is gone: soon enough that another one may take over from a process that froze.
const SILENT: Duration = Duration::from_secs(3);
/// Most events at once.
const PAGE: usize = 100;

type Stream = TokioIo<Upgraded>;

pub(crate) async fn connect(State(world): State<Arc<World>>, mut request: Request) -> Response {
    let asked = request.headers().get(header::UPGRADE).is_some_and(|protocol| protocol == PROTOCOL);
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>().filter(|_| asked) else {
        return Refusal::new(426, "upgrade_required", "this address is for sessions").into_response();
    };
    tokio::spawn(async move {
        if let Ok(stream) = upgrade.await {
            run(world, TokioIo::new(stream)).await;
        }
    });
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, PROTOCOL)];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    Hello {
        #[serde(default)]
        secret: Option<String>,
        #[serde(default)]
        phone: Option<String>,
    },
    Ack {
        cursor: u64,
    },
    Call {
        n: u64,
        what: String,
        #[serde(default)]
        id: Option<String>,
        #[serde(default)]
        body: Value,
    },
    Pong,
}

/// How a connection ended, for the record.
struct Over(&'static str);

enum Phase {
    /// Nothing was said yet.
    New,
    Pairing {
        phone: Option<String>,
        left: u32,
        until: Instant,
    },
    Online {
        token: String,
        news: Arc<Notify>,
        /// The last event that was told, and whether it is confirmed.
        told: u64,
        confirmed: bool,
    },
}

struct Socket {
    world: Arc<World>,
    n: u64,
    write: WriteHalf<Stream>,
    words: UnboundedSender<Word>,
    phase: Phase,
    heard: Instant,
    calls: JoinSet<(u64, End)>,
}

async fn run(world: Arc<World>, stream: Stream) {
    let (read, write) = tokio::io::split(stream);
    let (words, told) = unbounded_channel();
    let n = world.lock().next_id();
    let (heard, calls) = (Instant::now(), JoinSet::new());
    let mut socket = Socket { world, n, write, words, phase: Phase::New, heard, calls };
    let Over(why) = socket.serve(BufReader::new(read).lines(), told).await;
    match &socket.phase {
        // Before the connection closes: whoever sees that may open the next one.
        Phase::Online { token, .. } => session::is_gone(&socket.world, n, token, why),
        Phase::New | Phase::Pairing { .. } => socket.world.lock().desk.stops_waiting(n),
    }
    let _ = timeout(PING, socket.write.shutdown()).await;
}

impl Socket {
    async fn serve(
        &mut self,
        mut lines: tokio::io::Lines<BufReader<tokio::io::ReadHalf<Stream>>>,
        mut told: UnboundedReceiver<Word>,
    ) -> Over {
        let mut ping = Instant::now() + PING;
        loop {
            let news = match &self.phase {
                Phase::Online { news, .. } => Arc::clone(news),
                _ => Arc::new(Notify::new()),
            };
            let news = news.notified();
            let mut news = std::pin::pin!(news);
            // Listening begins before looking, so that nothing falls between.
            news.as_mut().enable();
            let code_ends = match &self.phase {
                Phase::Pairing { until, .. } => Some(*until),
                _ => None,
            };
            let step = async {
                self.tell_events().await?;
                tokio::select! {
                    line = lines.next_line() => match line {
                        Ok(Some(line)) => self.take(&line).await,
                        _ => Err(Over("closed")),
                    },
                    word = told.recv() => match word {
                        Some(Word::Paired(token)) => self.paired(&token).await,
                        Some(Word::Bye(bye)) => Err(self.bye(bye).await),
                        Some(Word::Cut) | None => Err(Over("cut")),
                    },
                    Some(done) = self.calls.join_next() => match done {
                        Ok((n, end)) => self.answer(n, end).await,
                        Err(_) => Ok(()),
                    },
                    () = &mut news => Ok(()),
                    () = sleep_until(code_ends.unwrap_or(ping)), if code_ends.is_some() => self.next_code().await,
                    () = sleep_until(ping) => {
                        ping = Instant::now() + PING;
                        if self.heard.elapsed() > SILENT {
                            return Err(Over("unheard"));
                        }
                        self.say(&json!({"type": "ping"})).await
                    }
                    () = self.world.stopped.cancelled() => Err(Over("stopped")),
                }
            };
            if let Err(over) = step.await {
                return over;
            }
        }
    }

    async fn say(&mut self, what: &Value) -> Result<(), Over> {
        self.write_line(what.to_string()).await
    }

    async fn write_line(&mut self, mut line: String) -> Result<(), Over> {
        line.push('\n');
        // Who reads nothing for so long is gone, too.
        match timeout(SILENT, self.write.write_all(line.as_bytes())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Over("closed")),
            Err(_) => return Err(Over("unheard")),
        }
        self.write.flush().await.map_err(|_| Over("closed"))
    }

    async fn bye(&mut self, bye: Bye) -> Over {
        let ms = if let Bye::Banned(ms) = bye { ms } else { None };
        let _ = self.say(&json!({"type": "bye", "reason": bye.as_str(), "ms": ms})).await;
        Over(bye.as_str())
    }

    async fn take(&mut self, line: &str) -> Result<(), Over> {
        self.heard = Instant::now();
        let said: Said = serde_json::from_str(line).map_err(|_| Over("nonsense"))?;
        match (said, &mut self.phase) {
            (Said::Pong, _) => Ok(()),
            (Said::Hello { secret: Some(secret), .. }, Phase::New) => {
                let token = self.world.lock().desk.token(&secret).cloned();
                match token {
                    Some(token) => self.online(token).await,
                    None => Err(self.bye(Bye::LoggedOut).await),
                }
            }
            (Said::Hello { secret: None, phone }, Phase::New) => {
                self.phase = Phase::Pairing { phone, left: CODES, until: Instant::now() };
                self.next_code().await
            }
            (Said::Ack { cursor }, Phase::Online { token, told, confirmed, .. }) => {
                *confirmed |= cursor >= *told;
                if let Some(account) = self.world.lock().accounts.get_mut(token) {
                    account.updates.retain(|event| event.n > cursor);
                }
                Ok(())
            }
            (Said::Call { n, what, id, body }, Phase::Online { token, .. }) => {
                let (world, token) = (Arc::clone(&self.world), token.clone());
                if what == "log_out" {
                    session::happens(&world, &token, session::What::LogOut, None)
                        .map_err(|_| Over("nonsense"))?;
                    return self.answer(n, End::Answer(json!({}))).await;
                }
                self.calls.spawn(async move { (n, carry_out(&world, &token, &what, id, &body).await) });
                Ok(())
            }
            _ => Err(Over("nonsense")),
        }
    }

    /// A code has had its time, or there is none yet.
    async fn next_code(&mut self) -> Result<(), Over> {
        let ttl = Duration::from_millis(self.world.config.code_ms);
        let Phase::Pairing { phone, left, until } = &mut self.phase else { return Ok(()) };
        if *left == 0 {
            return Err(self.bye(Bye::NotPaired).await);
        }
        // A code to be typed is given the time of all pictures together.
        let (lasting, codes) = if phone.is_some() { (ttl * CODES, CODES) } else { (ttl, 1) };
        *left -= codes;
        *until = Instant::now() + lasting;
        let how = if phone.is_some() { "code" } else { "qr" };
        let code = session::wait(&self.world, self.n, phone.as_deref(), &self.words);
        let ttl_ms = u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX);
        self.say(&json!({"type": "pairing", "how": how, "code": code, "ttl_ms": ttl_ms})).await
    }

    async fn paired(&mut self, token: &str) -> Result<(), Over> {
        let secret = session::become_device(&self.world, self.n, token);
        self.say(&json!({"type": "paired", "secret": secret})).await?;
        self.online(token.to_owned()).await
    }

    async fn online(&mut self, token: String) -> Result<(), Over> {
        let (id, name) = match session::come_online(&self.world, self.n, &token, &self.words) {
            Ok(who) => who,
            Err(bye) => return Err(self.bye(bye).await),
        };
        let news = self.world.lock().accounts.get(&token).map(|account| Arc::clone(&account.news));
        let Some(news) = news else { return Err(Over("closed")) };
        self.phase = Phase::Online { token, news, told: 0, confirmed: true };
        self.say(&json!({"type": "online", "id": id, "name": name})).await
    }

    /// Tells what has happened, a page at a time.
    async fn tell_events(&mut self) -> Result<(), Over> {
        let Phase::Online { token, told, confirmed, .. } = &mut self.phase else { return Ok(()) };
        if !*confirmed {
            return Ok(());
        }
        let (mut page, mut last) = (Vec::new(), None);
        if let Some(account) = self.world.lock().accounts.get(token) {
            for event in account.updates.iter().filter(|event| event.n > *told).take(PAGE) {
                page.push(event.json.clone());
                last = Some(event.n);
            }
        }
        let Some(last) = last else { return Ok(()) };
        (*told, *confirmed) = (last, false);
        self.write_line(format!(r#"{{"type":"events","events":[{}],"cursor":{last}}}"#, page.join(","))).await
    }

    async fn answer(&mut self, n: u64, end: End) -> Result<(), Over> {
        let (status, body) = match end {
            End::Answer(body) => (200, body),
            End::Refuse(refusal) => (refusal.status, refusal.body()),
            End::Drop => return Err(Over("cut")),
        };
        self.say(&json!({"type": "answer", "n": n, "status": status, "body": body})).await
    }
}

/// A call of the HTTP API that came over a session.
async fn carry_out(world: &Arc<World>, token: &str, what: &str, id: Option<String>, json: &Value) -> End {
    let bytes = json.to_string();
    let acted = match what {
        "send" => match body(bytes.as_bytes()) {
            Ok(message) => return send(world, token, message).await,
            Err(refusal) => Err(refusal),
        },
        "edit" | "delete" | "react" | "typing" | "read" => {
            body(bytes.as_bytes()).and_then(|action| act(world, token, what, id, action))
        }
        _ => Err(Refusal::new(404, "unknown_call", "there is no such call")),
    };
    match acted {
        Ok(()) => End::Answer(json!({})),
        Err(refusal) => End::Refuse(refusal),
    }
}
