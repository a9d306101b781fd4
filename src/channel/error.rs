//! What can go wrong at a provider, by what the queue should do about it.

use std::time::Duration;

/// A provider call that did not end in a yes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ChannelError {
    /// What to do about it.
    pub class: ErrorClass,
    /// The provider's own code, for example `429`, `131056` or `chat not found`; `timeout`, `connect` or `tls`
    /// where there was no answer.
    pub code: String,
    /// The provider's own words, or ours where there was no answer. Never a credential.
    pub message: String,
    /// The chat's new id, when the provider refused because it moved the chat: the same call is right there.
    pub moved_to: Option<String>,
}

/// What the queue should do about an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorClass {
    /// This message can never be sent: it fails, the next one goes. Also where the provider takes nothing like it for
    /// this recipient for longer than it would be news (WhatsApp's cap on marketing messages to one person).
    Permanent,
    /// The provider has a bad moment and certainly did not take the message: try again, later each time.
    Retry,
    /// The provider holds the whole account back: for so long, where it says how long. Where it does not, longer with
    /// each time in a row.
    RetryAfter(Option<Duration>),
    /// The provider lets the account only answer who wrote to it, for so long: a limit of its tier is used up, or its
    /// quality is too low. Replies go on.
    BulkHeld(Duration),
    /// The provider takes nothing for this recipient for a while; other recipients go on.
    RecipientHeld(Duration),
    /// The account may not send at all (banned, logged out, token revoked, timelocked), until a time or until
    /// somebody acts. The message stays queued.
    AccountStopped {
        /// A stable word: `banned`, `logged_out`, `token_revoked`, `timelocked`, `restricted`.
        reason: &'static str,
        /// How long, where the provider says.
        lasting: Option<Duration>,
    },
    /// The request was written and no answer came: the provider may have taken the message or not.
    Ambiguous,
}

impl ErrorClass {
    /// The class's word in metrics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::Retry => "retry",
            Self::RetryAfter(_) => "retry_after",
            Self::BulkHeld(_) => "bulk_held",
            Self::RecipientHeld(_) => "recipient_held",
            Self::AccountStopped { .. } => "account_stopped",
            Self::Ambiguous => "ambiguous",
        }
    }
}

impl ChannelError {
    /// An error of this class with the provider's code and words.
    pub fn new(class: ErrorClass, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { class, code: code.into(), message: message.into(), moved_to: None }
    }

    /// The same error, with the chat's new id.
    #[must_use]
    pub fn with_moved_to(mut self, chat: impl Into<String>) -> Self {
        self.moved_to = Some(chat.into());
        self
    }

    /// This message can never be sent.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Permanent, code, message)
    }

    /// Try again, later each time.
    pub fn retry(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Retry, code, message)
    }

    /// Nobody knows whether the provider took it.
    pub fn ambiguous(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Ambiguous, code, message)
    }
}
