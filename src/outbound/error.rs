//! What can go wrong with a request, by what is known about its fate.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use crate::breaker::Verdict;
use crate::guard::NotPublic;

/// A request that did not end in a whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request cannot be made at all: a bad URL, header or body. Nothing was sent.
    #[error("the request is not valid: {0}")]
    Invalid(&'static str),
    /// The guard refused: the URL leads to an address that is not public. Nothing was sent.
    #[error("the link leads to an address that is not public")]
    NotPublic,
    /// As many requests as allowed are under way to this host, for the whole timeout. Nothing was sent.
    #[error("too many requests to this host are under way")]
    Busy,
    /// The host failed so often in a row that it is left alone for a while. Nothing was sent.
    #[error("the provider is down: it is left alone for {} ms", .retry_in.as_millis())]
    HostDown {
        /// How long, from now.
        retry_in: Duration,
    },
    /// No connection came about. Nothing was sent.
    #[error("could not connect: {0}")]
    Connect(Failure),
    /// The request was written, at least in part, and no answer came.
    #[error("no answer came: {0}")]
    NoAnswer(Failure),
    /// An answer began and broke off.
    #[error("the answer ({status}) broke off: {failure}")]
    BrokenAnswer {
        /// Its HTTP status.
        status: u16,
        /// What broke it.
        failure: Failure,
    },
    /// The answer is longer than the caller allows.
    #[error("the answer ({status}) is longer than {limit} bytes")]
    TooLarge {
        /// Its HTTP status.
        status: u16,
        /// What was allowed, in bytes.
        limit: u64,
    },
}

/// Why a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The time was up.
    #[error("timeout")]
    Timeout,
    /// The name does not resolve.
    #[error("the host name does not resolve")]
    Dns,
    /// The other side refuses connections.
    #[error("connection refused")]
    Refused,
    /// TLS failed: a certificate, a name, a version.
    #[error("TLS failed")]
    Tls,
    /// The connection was closed or reset.
    #[error("connection closed")]
    Closed,
    /// Anything else, for example an unreachable network.
    #[error("network error")]
    Network,
}

/// What is known about a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Certainly not carried out: it may be repeated.
    NotSent,
    /// Nobody knows whether it was carried out.
    Unknown,
    /// The other side answered, so it has seen the request.
    Answered,
}

impl Error {
    /// What is known about the request.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Invalid(_) | Self::NotPublic | Self::Busy | Self::HostDown { .. } | Self::Connect(_) => {
                Outcome::NotSent
            }
            Self::NoAnswer(_) => Outcome::Unknown,
            Self::BrokenAnswer { .. } | Self::TooLarge { .. } => Outcome::Answered,
        }
    }

    /// A stable word for logs and records: `timeout`, `dns`, `connect`, `tls`, `closed`, …
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_request",
            Self::NotPublic => "address_not_public",
            Self::Busy => "busy",
            Self::HostDown { .. } => "host_down",
            Self::TooLarge { .. } => "answer_too_large",
            Self::Connect(failure) | Self::NoAnswer(failure) | Self::BrokenAnswer { failure, .. } => {
                match failure {
                    Failure::Timeout => "timeout",
                    Failure::Dns => "dns",
                    Failure::Refused => "connect",
                    Failure::Tls => "tls",
                    Failure::Closed => "closed",
                    Failure::Network => "network",
                }
            }
        }
    }

    /// What it says about the host; none when it says nothing.
    pub(crate) const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Connect(_) => Some(Verdict::Unreachable),
            Self::NoAnswer(_) | Self::BrokenAnswer { .. } => Some(Verdict::Failing),
            Self::TooLarge { .. } => Some(Verdict::Well),
            Self::Invalid(_) | Self::NotPublic | Self::Busy | Self::HostDown { .. } => None,
        }
    }

    /// Judges an error of a request for which no answer has begun.
    pub(crate) fn before_answer(error: &reqwest::Error) -> Self {
        if caused_by::<NotPublic>(error).is_some() {
            Self::NotPublic
        } else if error.is_builder() {
            Self::Invalid("its URL, headers or body cannot be encoded")
        } else if error.is_connect() {
            Self::Connect(Failure::of(error))
        } else {
            Self::NoAnswer(Failure::of(error))
        }
    }
}

impl Failure {
    /// Finds the cause in what reqwest reports. Its texts are not kept: they may hold the URL.
    pub(crate) fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        if error.is_dns() {
            return Self::Dns;
        }
        if caused_by::<rustls::Error>(error).is_some() {
            return Self::Tls;
        }
        match caused_by::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => Self::Refused,
            Some(io::ErrorKind::TimedOut) => Self::Timeout,
            // hyper's own "connection closed before message completed" has no cause.
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            )
            | None => Self::Closed,
            Some(_) => Self::Network,
        }
    }
}

/// The first error of type `T` among the causes of `error`, also inside of I/O errors, which hide theirs.
fn caused_by<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn StdError + 'static));
        cause = inner.or_else(|| error.source());
    }
    None
}
