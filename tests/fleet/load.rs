//! Messages handed in all the time while things are done to the fleet, as a careful caller does it: one after the other
//! for each account, and each again with its `Idempotency-Key` until it is accepted. Contacts write, too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tests::harness::{Api, Installation};
use tokio::task::JoinSet;

/// An account under load. All its messages are of one purpose, so that none overtakes another one.
#[derive(Debug, Clone)]
pub struct Shop {
    pub id: String,
    pub name: String,
    pub purpose: &'static str,
    pub redelivery: &'static str,
}

/// How the load is made.
#[derive(Debug, Clone)]
pub struct Shape {
    pub shops: usize,
    /// So many of them keep a session.
    pub sessions: usize,
    /// How many times as quick as a person's their time passes.
    pub scale: u32,
    /// Between two messages of a shop.
    pub every: Duration,
    /// Recipients of a shop, in turn; `{}` in an address is the recipient's number.
    pub chats: Vec<String>,
}

/// The one whom nobody writes to: what comes from there makes no reply of what goes out.
const WRITER: &str = "writer";
/// Of so many messages of a shop one is followed by a contact's.
const HEARD: usize = 4;

/// A load under way.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    again: Arc<AtomicUsize>,
    writers: JoinSet<(String, Vec<String>, usize)>,
}

/// What was handed in.
#[derive(Debug, Default)]
pub struct Given {
    /// The ids of what was accepted, by account.
    pub accepted: BTreeMap<String, Vec<String>>,
    /// How many messages contacts wrote, by account.
    pub heard: BTreeMap<String, usize>,
    /// How many requests had to be made again.
    pub again: usize,
}

impl Shape {
    /// Connects the accounts and tells the sandbox their limits.
    pub async fn open(&self, installation: &Installation) -> Vec<Shop> {
        let mut shops = Vec::new();
        for n in 0..self.shops {
            let name = format!("shop-{n}");
            let purpose = ["conversation", "transactional", "campaign"][n % 3];
            let redelivery = if n % 2 == 0 { "at_least_once" } else { "at_most_once" };
            let limits = json!([
                {"name": "gap", "scope": "account", "min_gap_ms": 2_000 / self.scale},
                {"name": "same recipient", "scope": "chat", "min_gap_ms": 6_000 / self.scale},
            ]);
            let path = format!("/control/accounts/{}", installation.token(&name));
            let answer = installation.sandbox().call("PUT", &path, &json!({"limits": limits})).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            // Rules that would keep an account waiting for minutes hide whether anything else does.
            let more = json!({
                "redelivery": redelivery, "i_accept_the_risk": true,
                "pacing": {"per_minute": "off", "batch": "off", "new_contacts": "off"},
            });
            let scale = f64::from(self.scale);
            let id = if n < self.sessions {
                installation.pair(&name, scale, more).await
            } else {
                installation.connect(&name, scale, more).await
            };
            shops.push(Shop { id, name, purpose, redelivery });
        }
        shops
    }

    /// Begins. Each request goes to the fronts in turn until one accepts it.
    pub fn start(&self, installation: &Installation, fronts: &[Api], shops: &[Shop]) -> Load {
        let (stop, again) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut writers = JoinSet::new();
        for (place, shop) in shops.iter().enumerate() {
            let writer = Writer {
                shop: shop.clone(),
                shape: self.clone(),
                fronts: fronts.to_vec(),
                sandbox: installation.sandbox(),
                token: installation.token(&shop.name),
                stop: Arc::clone(&stop),
                again: Arc::clone(&again),
            };
            let first = self.every * u32::try_from(place).unwrap() / u32::try_from(shops.len()).unwrap();
            writers.spawn(async move {
                tokio::time::sleep(first).await;
                writer.write().await
            });
        }
        Load { stop, again, writers }
    }
}

impl Load {
    /// Hands in no more, and tells what was.
    pub async fn end(self) -> Given {
        self.stop.store(true, Ordering::SeqCst);
        let mut given = Given::default();
        for (account, accepted, heard) in self.writers.join_all().await {
            given.heard.insert(account.clone(), heard);
            given.accepted.insert(account, accepted);
        }
        given.again = self.again.load(Ordering::SeqCst);
        given
    }
}

impl Given {
    /// How many messages were accepted.
    pub fn count(&self) -> usize {
        self.accepted.values().map(Vec::len).sum()
    }
}

/// Who hands in the messages of one account.
struct Writer {
    shop: Shop,
    shape: Shape,
    fronts: Vec<Api>,
    sandbox: Api,
    token: String,
    stop: Arc<AtomicBool>,
    again: Arc<AtomicUsize>,
}

impl Writer {
    async fn write(self) -> (String, Vec<String>, usize) {
        let (mut accepted, mut heard) = (Vec::new(), 0);
        while !self.stop.load(Ordering::SeqCst) {
            let n = accepted.len();
            accepted.push(self.hand_in(n).await);
            if n % HEARD == 0 {
                let event = json!({
                    "token": self.token, "chat": WRITER, "from": {"id": WRITER, "name": WRITER},
                    "content": {"type": "text", "text": format!("number {heard}")},
                });
                self.sandbox.post("/control/inbound", &event).await;
                heard += 1;
            }
            tokio::time::sleep(self.shape.every).await;
        }
        (self.shop.id, accepted, heard)
    }

    async fn hand_in(&self, n: usize) -> String {
        let Shop { id, purpose, .. } = &self.shop;
        let chats = &self.shape.chats;
        let chat = chats[n % chats.len()].replace("{}", &(n % chats.len()).to_string());
        let body = json!({
            "account_id": id, "to": {"address": chat}, "purpose": purpose,
            "content": {"type": "text", "text": format!("Good to hear from you, {chat}. #{purpose}:{n}")},
        });
        let key = format!("{id}-{n}");
        for front in self.fronts.iter().cycle() {
            let answer = front.try_post("/v1/messages", &body, &[("Idempotency-Key", &key)]).await;
            match answer {
                Some(answer) if answer.status == 202 => {
                    return answer.body["id"].as_str().unwrap().to_owned();
                }
                Some(answer) => assert!(answer.status >= 500, "{body}: {answer:?}"),
                None => {}
            }
            self.again.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        unreachable!("there is a front")
    }
}
