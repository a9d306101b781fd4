//! Sessions: networks on which an account is a device of its own, with a connection that somebody has to keep
//! (WhatsApp Web).
//!
//! An account's session has one owner in the whole fleet. While it is open, every call of [`crate::Channel`] with that
//! account's login goes through it, so such calls are made where the owner is; without a session they fail as
//! [`crate::ErrorClass::Retry`], since certainly nothing was sent.
//!
//! A session may also be no more than a way in (Discord's Gateway): then the account has credentials of its own
//! ([`Sessions::pairs`]), and calls need no open session.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::{ChannelError, Credentials, Login, WebhookEvent};

/// Keeps sessions.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Whether an account with these settings is kept by a session. Its other way in, if the network has one, is not used
    /// then, and no credentials are asked for: pairing brings them. Does no I/O.
    fn keeps(&self, _settings: &Value) -> bool {
        true
    }

    /// Whether pairing brings the credentials. False: a person enters them, as for an account without a session, and they
    /// are checked by [`crate::Channel::connect`]; no session of such an account tells [`SessionEvent::Pairing`] or
    /// [`SessionEvent::Credentials`].
    fn pairs(&self) -> bool {
        true
    }

    /// Opens the session of an account: with the credentials that pairing brought, or to be paired where there are none.
    /// The account's setting `phone` asks to be paired by a code that is typed into that phone; without it a picture is
    /// scanned. Returns when the network is connected; all else the session tells.
    async fn open(&self, login: &Login) -> Result<Box<dyn Session>, ChannelError>;

    /// Opens the session where one before it left off, by its [`Session::cursor`]. Networks that repeat by themselves what
    /// was not acknowledged need none.
    async fn open_at(&self, login: &Login, _cursor: Option<&str>) -> Result<Box<dyn Session>, ChannelError> {
        self.open(login).await
    }
}

/// A connection to the network for one account. Dropping it closes its sockets at once.
#[async_trait]
pub trait Session: Send {
    /// What happens next. Asking again says that what was told before is committed: only then it is acknowledged to the
    /// network, which repeats it to the next session otherwise. A call that is dropped loses nothing. After
    /// [`SessionEvent::Ended`] nothing more comes.
    async fn next(&mut self) -> SessionEvent;

    /// Where the next session goes on, with everything that was told so far behind it: to be committed together with the
    /// events that were told last. None where the network itself remembers.
    fn cursor(&self) -> Option<String> {
        None
    }

    /// Has the network forget this device: its credentials are worth nothing from then on.
    async fn log_out(&mut self) -> Result<(), ChannelError>;

    /// Closes the connection and returns when the network has seen that, so that another session may begin. Takes no
    /// longer than a second.
    async fn close(self: Box<Self>);
}

/// What a session tells its owner.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionEvent {
    /// A person has to do something with their phone; it replaces what was told before.
    Pairing {
        /// What.
        how: Pairing,
        /// The content of the picture, or the code to type.
        code: String,
        /// For how long it can be used.
        lasting: Duration,
    },
    /// Secrets to keep; they replace those before.
    Credentials(Credentials),
    /// The session is up: messages can be sent.
    Online {
        /// Who the account is, at the network.
        external_id: String,
        /// What the network calls it.
        name: Option<String>,
    },
    /// What the network told, oldest first.
    Events(Vec<WebhookEvent>),
    /// It is over.
    Ended(SessionEnd),
}

/// How a device is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// The phone scans a picture.
    Qr,
    /// A code is typed into the phone.
    Code,
}

/// Why a session is over, by what is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
    /// The connection broke: open another one, later each time. The text says how it broke.
    Offline(String),
    /// Nobody paired the device in time: somebody asks for it again.
    NotPaired,
    /// The phone, or the network, removed this device: its credentials are worth nothing.
    LoggedOut,
    /// Another connection took this one's place. Whoever opens the next one would throw that out in turn.
    Replaced,
    /// The network banned the account, for so long where it says how long.
    Banned {
        /// How long.
        lasting: Option<Duration>,
    },
    /// The network wants no session of this account, and another try changes nothing. The text says why.
    Refused(String),
}
