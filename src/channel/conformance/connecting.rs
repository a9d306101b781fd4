//! Credentials, and what a channel says of itself.

use serde_json::json;

use super::{Simulator, keeps_secrets};
use crate::{Channel, ConnectStep, ErrorClass};

pub(super) async fn good_and_bad_credentials(channel: &dyn Channel, simulator: &dyn Simulator) {
    let good = simulator.credentials();
    let first = channel.connect(&good, &json!({}), None).await.expect("good credentials connect");
    let second = channel.connect(&good, &json!({}), None).await.expect("connecting can be repeated");
    assert_eq!(first.external_id, second.external_id, "the same credentials are the same account");
    assert!(!first.external_id.is_empty(), "an account is somebody at the provider");
    for name in good.names() {
        assert!(first.credentials.has(name), "connecting keeps the credential {name}");
    }
    let bad = simulator.bad_credentials();
    let error = channel.connect(&bad, &json!({}), None).await.expect_err("bad credentials do not connect");
    assert!(
        matches!(error.class, ErrorClass::AccountStopped { .. } | ErrorClass::Permanent),
        "trying bad credentials again is of no use: {error:?}"
    );
    keeps_secrets(&error, &bad);
}

pub(super) fn words_and_abilities_agree(channel: &dyn Channel) {
    let can = channel.capabilities();
    assert_eq!(can.typing, channel.typist().is_some(), "typing");
    assert_eq!(can.edits, channel.editor().is_some(), "edits");
    assert_eq!(can.deletes, channel.deleter().is_some(), "deletes");
    assert_eq!(can.reactions, channel.reactor().is_some(), "reactions");
    assert!(can.width >= 1, "a lane has a width");
    let name = channel.name();
    assert!(
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
        "a name fits URLs, rows and metrics: {name}"
    );
    let steps = channel.connect_steps();
    assert!(!steps.is_empty(), "a person is told how to connect");
    for step in steps {
        if let ConnectStep::Fields { fields } = step {
            assert!(fields.iter().any(|field| field.secret), "a form without a secret connects nobody");
        }
    }
    for limit in &can.limits {
        assert!(limit.count > 0 && limit.seconds > 0.0, "{limit:?} is a limit");
        assert!(!limit.source.is_empty() && limit.read_on.len() == 10, "{limit:?} has a source and a date");
    }
}
