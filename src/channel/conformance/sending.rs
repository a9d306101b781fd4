//! Sending: every kind arrives as it was meant, every error means what it says.

use std::mem::discriminant;
use std::time::Duration;

use model::{Content, ContentKind};

use super::samples::{PNG, content, marked_up, outgoing, too_long};
use super::{Simulator, keeps_secrets};
use crate::{Channel, ErrorClass, Login};

pub(super) async fn every_kind_arrives(channel: &dyn Channel, simulator: &dyn Simulator, login: &Login) {
    let can = channel.capabilities();
    let chat = simulator.chat();
    let mut last = None;
    for (n, &kind) in (100..).zip(&can.sends) {
        let sample = content(kind).or_else(|| Some((simulator.sample(kind)?, None)));
        let (mut content, file) = sample.expect("what is only received is not listed as sendable");
        if !can.captions.contains(&kind) {
            content.take_caption();
        }
        channel.check(&content).unwrap_or_else(|problem| panic!("{kind}: {problem}"));
        let words = content.words().map(str::to_owned);
        let mut message = outgoing(n, &chat, content);
        message.file = file;
        if can.replies {
            message.reply_to.clone_from(&last);
        }
        let accepted =
            channel.send(login, &message).await.unwrap_or_else(|error| panic!("{kind}: {error:?}"));
        let received = simulator.received(&chat, &accepted.provider_id).await;
        let received = received.unwrap_or_else(|| panic!("{kind}: the provider knows its own id"));
        assert_eq!(received.kind, kind, "the provider takes it for what it is");
        assert_eq!(received.words, words, "{kind}: the words arrive as they were written");
        assert_eq!(received.reply_to, message.reply_to, "{kind}: what it answers");
        assert!(received.file.is_none_or(|bytes| bytes == PNG), "{kind}: the file arrives whole");
        if let Some(client_id) = received.client_id {
            assert_eq!(client_id, message.message_id.to_string(), "{kind}: our id goes along");
        }
        if can.deduplicates {
            let again = channel.send(login, &message).await.expect("a repeated call is harmless");
            assert_eq!(again.provider_id, accepted.provider_id, "{kind}: and names the same message");
        }
        last = Some(accepted.provider_id);
    }
    if can.buttons {
        let message = outgoing(99, &chat, marked_up());
        let accepted = channel.send(login, &message).await.expect("markup and buttons");
        let received = simulator.received(&chat, &accepted.provider_id).await.expect("it is known");
        assert_eq!(received.kind, ContentKind::Text);
    }
}

pub(super) async fn every_error_has_its_class(
    channel: &dyn Channel,
    simulator: &dyn Simulator,
    login: &Login,
) {
    let some_time = Duration::from_secs(1);
    for (n, class) in (200..).zip([
        ErrorClass::Permanent,
        ErrorClass::Retry,
        ErrorClass::RetryAfter(Some(some_time)),
        ErrorClass::BulkHeld(some_time),
        ErrorClass::RecipientHeld(some_time),
        ErrorClass::AccountStopped { reason: "banned", lasting: None },
        ErrorClass::Ambiguous,
    ]) {
        let Some(chat) = simulator.fault(&class).await else { continue };
        let message = outgoing(n, &chat, Content::text("hello"));
        let error = channel.send(login, &message).await.expect_err("the provider did not say yes");
        assert_eq!(discriminant(&error.class), discriminant(&class), "{class:?} is expected: {error:?}");
        if let ErrorClass::RetryAfter(Some(wait))
        | ErrorClass::BulkHeld(wait)
        | ErrorClass::RecipientHeld(wait) = error.class
        {
            assert!(wait > Duration::ZERO && wait <= Duration::from_hours(24), "{wait:?} is a time to wait");
        }
        if let ErrorClass::AccountStopped { reason, .. } = error.class {
            let words = ["banned", "logged_out", "token_revoked", "timelocked", "restricted"];
            assert!(words.contains(&reason), "{reason} is not among the words");
        }
        assert!(!error.code.is_empty(), "an error has a code: {error:?}");
        keeps_secrets(&error, &login.credentials);
        simulator.calm().await;
    }
}

pub(super) fn what_cannot_be_carried_is_refused_before(channel: &dyn Channel) {
    let can = channel.capabilities();
    let problem = channel.check(&too_long(can)).expect_err("a text over the limit is refused");
    assert_eq!((problem.field.as_str(), problem.code), ("text", "too_long"));
    assert!(problem.message.contains(&can.text_max.to_string()), "the limit is named: {problem}");
    let problem = channel.check(&Content::text(" ")).expect_err("an empty text is refused");
    assert_eq!(problem.field, "text");
    for &kind in ContentKind::ALL {
        if let Some((content, _)) = content(kind)
            && !can.sends.contains(&kind)
        {
            let problem = channel.check(&content).expect_err("what is not listed is refused");
            assert_eq!(problem.field, "type", "{kind}");
        }
    }
    let received = Content::Callback { data: "x".to_owned(), title: None };
    channel.check(&received).expect_err("what is only received is refused");
}
