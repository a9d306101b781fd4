//! `perform-action`: edit a message at its provider, take it back, or react to it.
//!
//! It keeps its place behind the message that it is about, and every provider takes a repetition as done: so whatever
//! became of an earlier call, another one is right.

use channel::{Channel, ChannelError, Login};
use model::{Action, Change, Message, Status};
use store::SendView;

/// Why the provider need not be asked at all: the message never reached it, or is gone.
pub(crate) fn hopeless(message: &Message, action: &Action) -> Option<String> {
    if message.deleted_at.is_some() && action.change != Change::Delete {
        return Some("deleted: the message was deleted".to_owned());
    }
    match message.status {
        Status::Failed | Status::Canceled | Status::Skipped | Status::Unknown => {
            Some(format!("not_sent: the message is {}", message.status))
        }
        _ if message.provider_id.is_none() => {
            Some("not_sent: nobody knows what the provider calls the message".to_owned())
        }
        _ => None,
    }
}

/// Has the provider do it.
pub(crate) async fn call(
    channel: &dyn Channel,
    login: &Login,
    view: &SendView,
    action: &Action,
) -> Result<(), ChannelError> {
    let lacking = || ChannelError::permanent("unsupported", "this channel cannot do that (any more)");
    let (chat, id) = (view.chat.as_str(), view.message.provider_id.as_deref().unwrap_or_default());
    match &action.change {
        Change::Edit(content) => channel.editor().ok_or_else(lacking)?.edit(login, chat, id, content).await,
        Change::Delete => channel.deleter().ok_or_else(lacking)?.delete(login, chat, id).await,
        Change::Reaction(emoji) => {
            channel.reactor().ok_or_else(lacking)?.react(login, chat, id, emoji.as_deref()).await
        }
    }
}
