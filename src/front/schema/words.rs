//! Closed lists of words, and instants.

use std::borrow::Cow;

use serde::Deserialize;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub model::$name);

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some(model::$name::ALL.iter().map(|word| word.as_str())))
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    )+ };
}

words! {
    /// What is done to a message.
    ActionKind,
    /// Where an action stands.
    ActionStatus,
    /// How urgent something is.
    Class,
    /// Whether the provider can be reached.
    Connection,
    /// A kind of content.
    ContentKind,
    /// Who is in a conversation.
    ConversationKind,
    /// Where a conversation stands.
    ConversationStatus,
    /// Which way a message goes.
    Direction,
    /// What happened.
    EventKind,
    /// How a text is marked up.
    Format,
    /// How much of an account's sending a hold keeps back.
    HoldReach,
    /// How an account gets its events.
    Intake,
    /// What made a message.
    Origin,
    /// How a device is linked to an account.
    PairingKind,
    /// What a message is for.
    Purpose,
    /// A queue.
    Queue,
    /// What becomes of calls whose outcome nobody knows.
    Redelivery,
    /// How much a wait holds.
    Scope,
    /// Whether a file can be had.
    MediaState,
    /// Whether messages leave.
    Sending,
    /// Where a message stands.
    Status,
}

/// An instant, RFC 3339 with microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub model::Timestamp);

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Timestamp {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Timestamp")
    }
}
