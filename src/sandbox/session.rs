//! Sessions: connections that are devices of an account. Who waits to be paired, who is online, and who is thrown out.
//!
//! An account has one device, and a device one connection. A second one takes the place of the first and is counted: two
//! owners had the device at the same time.

use std::collections::HashMap;

use tokio::sync::mpsc::UnboundedSender;

use crate::actions;
use crate::clock::wall_micros;
use crate::deliver::signature;
use crate::report::Example;
use crate::wire::Refusal;
use crate::world::{State, World, keep};

/// A new one is told after so many codes that nobody scanned.
pub(crate) const CODES: u32 = 6;

/// What a connection is told from outside.
#[derive(Debug)]
pub(crate) enum Word {
    /// Somebody paired it with the account of this token.
    Paired(String),
    /// It ends, and is told why.
    Bye(Bye),
    /// It ends without a word.
    Cut,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bye {
    LoggedOut,
    Replaced,
    /// For so many ms, if that is said.
    Banned(Option<u64>),
    NotPaired,
}

/// A connection that waits for somebody with a phone.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// What is to be scanned or typed.
    code: String,
    /// Whose phone it is typed into; without one it is scanned.
    phone: Option<String>,
    told: UnboundedSender<Word>,
}

#[derive(Debug)]
struct Live {
    socket: u64,
    told: UnboundedSender<Word>,
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// By the number of the connection.
    waiting: HashMap<u64, Waiting>,
    /// By token.
    live: HashMap<String, Live>,
    /// Devices' secrets, with the tokens of their accounts.
    devices: HashMap<String, String>,
    /// Until when sessions of an account are refused, in µs since the start; none: for good.
    banned: HashMap<String, Option<u64>>,
}

/// Something new that cannot be guessed from outside.
fn fresh(world: &World, about: &str, n: u64) -> String {
    let seed = format!("{about}:{n}:{}:{}", wall_micros(), world.clock.micros());
    signature("sandbox session", seed.as_bytes()).replace("sha256=", "")
}

impl Bye {
    /// Its word on the wire and in the record.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Replaced => "replaced",
            Self::Banned(_) => "banned",
            Self::NotPaired => "not_paired",
        }
    }
}

impl Desk {
    /// The account's token that a device's secret stands for.
    pub(crate) fn token(&self, secret: &str) -> Option<&String> {
        self.devices.get(secret)
    }

    /// Takes up a device of the run before.
    pub(crate) fn knows(&mut self, secret: &str, token: &str) {
        self.devices.insert(secret.to_owned(), token.to_owned());
    }

    pub(crate) fn stops_waiting(&mut self, socket: u64) {
        self.waiting.remove(&socket);
    }

    /// How long sessions of an account are refused, if they are.
    fn ban(&self, token: &str, now: u64) -> Option<Bye> {
        match self.banned.get(token)? {
            None => Some(Bye::Banned(None)),
            Some(until) if *until > now => Some(Bye::Banned(Some((until - now).div_ceil(1_000)))),
            Some(_) => None,
        }
    }
}

/// Lets a connection wait to be paired, by a new code. Answers that.
pub(crate) fn wait(world: &World, socket: u64, phone: Option<&str>, told: &UnboundedSender<Word>) -> String {
    let mut state = world.lock();
    let fresh = fresh(world, "code", state.next_id());
    let code = match phone {
        Some(_) => format!("{}-{}", &fresh[..4], &fresh[4..8]).to_uppercase(),
        None => format!("sandbox-qr:{}", &fresh[..32]),
    };
    let waiting = Waiting { code: code.clone(), phone: phone.map(str::to_owned), told: told.clone() };
    state.desk.waiting.insert(socket, waiting);
    code
}

/// Somebody with the phone of `token` scans a code, or types it into the phone that it was made for.
pub(crate) fn pair(world: &World, token: &str, phone: Option<&str>, code: &str) -> Result<(), Refusal> {
    let mut state = world.lock();
    let fits = |waiting: &&Waiting| waiting.code == code && waiting.phone.as_deref() == phone;
    let found = state.desk.waiting.values().find(fits).map(|waiting| waiting.told.clone());
    let gone = || Refusal::new(404, "code_unknown", "nobody waits with this code (any more)");
    let told = found.ok_or_else(gone)?;
    if !token.starts_with("sandbox-") {
        return Err(Refusal::new(400, "invalid_token", "a token begins with sandbox-"));
    }
    state.register(token, &world.config);
    told.send(Word::Paired(token.to_owned())).map_err(|_| gone())
}

/// Makes a connection the account's device, in place of the one before. Answers the new device's secret.
pub(crate) fn become_device(world: &World, socket: u64, token: &str) -> String {
    let mut state = world.lock();
    state.desk.stops_waiting(socket);
    let secret = format!("sandbox-device-{}", &fresh(world, token, socket)[..40]);
    end(&mut state, token, Word::Bye(Bye::LoggedOut));
    forget_device(world, &mut state, token, Some(secret.clone()));
    secret
}

fn forget_device(world: &World, state: &mut State, token: &str, next: Option<String>) {
    let State { accounts, desk, .. } = state;
    let Some(account) = accounts.get_mut(token) else { return };
    if let Some(old) = account.settings.device.take() {
        desk.devices.remove(&old);
    }
    if let Some(next) = &next {
        desk.knows(next, token);
    }
    account.settings.device = next;
    world.save(token, account);
}

/// Whether a live connection was there to be told.
fn end(state: &mut State, token: &str, word: Word) -> bool {
    state.desk.live.remove(token).is_some_and(|live| live.told.send(word).is_ok())
}

/// A device is online from now on. Answers the account's id and name, or why it may not be.
pub(crate) fn come_online(
    world: &World,
    socket: u64,
    token: &str,
    told: &UnboundedSender<Word>,
) -> Result<(String, String), Bye> {
    let mut state = world.lock();
    let now = world.clock.micros();
    if let Some(bye) = state.desk.ban(token, now) {
        return Err(bye);
    }
    let before = state.desk.live.insert(token.to_owned(), Live { socket, told: told.clone() });
    let call = actions::call(world, &state, token, "session", "online");
    actions::note(world, &mut state, token, call);
    let State { accounts, overlaps, next_call, .. } = &mut *state;
    let account = accounts.get_mut(token).ok_or(Bye::LoggedOut)?;
    account.counts.sessions += 1;
    if let Some(before) = before {
        // It may have gone and not been noticed; but who may take over must have seen to that.
        account.counts.session_overlaps += 1;
        keep(overlaps, || Example {
            account: account.id.clone(),
            chat: String::new(),
            call: *next_call - 1,
            at_us: now,
            detail: "a second connection while the first one was there".to_owned(),
        });
        let _ = before.told.send(Word::Bye(Bye::Replaced));
    }
    // What happens goes to the device from now on.
    account.settings.webhook = None;
    account.turn_events();
    Ok((account.id.clone(), account.name.clone()))
}

/// A connection has ended, for the record.
pub(crate) fn is_gone(world: &World, socket: u64, token: &str, why: &str) {
    let mut state = world.lock();
    if state.desk.live.get(token).is_some_and(|live| live.socket == socket) {
        state.desk.live.remove(token);
    }
    let call = actions::call(world, &state, token, "session", why);
    actions::note(world, &mut state, token, call);
}

/// Something happens to an account's session; whether there was one. A ban and a log out last without one, too.
pub(crate) fn happens(world: &World, token: &str, what: What, ms: Option<u64>) -> Result<bool, Refusal> {
    let mut state = world.lock();
    state.account(token, &world.config)?;
    Ok(match what {
        What::LogOut => {
            forget_device(world, &mut state, token, None);
            end(&mut state, token, Word::Bye(Bye::LoggedOut))
        }
        What::Ban => {
            let until = ms.map(|ms| world.clock.micros() + ms * 1_000);
            state.desk.banned.insert(token.to_owned(), until);
            end(&mut state, token, Word::Bye(Bye::Banned(ms)))
        }
        What::Replace => end(&mut state, token, Word::Bye(Bye::Replaced)),
        What::Cut => end(&mut state, token, Word::Cut),
    })
}

/// What may happen to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The phone removes the device.
    LogOut,
    /// The account is banned.
    Ban,
    /// Somebody else connects as the device. That somebody is nobody of ours, so it counts as no overlap.
    Replace,
    /// The connection breaks.
    Cut,
}
