//! `send-message`: deliver one queued message through its account's channel.

use channel::{Accepted, Channel, ChannelError, Login, Outgoing};
use model::Origin;
use store::SendView;

use crate::attachment::Attachment;

/// Hands the message to the provider.
pub(crate) async fn call(
    channel: &dyn Channel,
    login: &Login,
    view: &SendView,
    file: Option<Attachment>,
) -> Result<Accepted, ChannelError> {
    let outgoing = Outgoing {
        message_id: view.message.id,
        chat: view.chat.clone(),
        thread: view.message.thread.clone(),
        content: file.as_ref().map_or(&view.message.content, |file| &file.content).clone(),
        reply_to: view.quoted.clone(),
        file: file.as_ref().map(|file| file.bytes.clone()),
        purpose: view.message.purpose,
        by_person: view.message.origin == Origin::Agent,
        contact_wrote_at: view.last_inbound_at,
    };
    channel.send(login, &outgoing).await
}
