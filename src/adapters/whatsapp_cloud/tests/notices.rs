//! Receipts, and what Meta says of an account.

use model::{InboundKind, NoticeEffect, Receipt, ReceiptKind, Timestamp};
use serde_json::{Value, json};

use super::{delivery, one, understood, with_metadata};

#[test]
fn receipts_tell_what_became_of_a_message_and_why() {
    let status = |status: &str, errors: Value| {
        let status = json!({ "id": "wamid.9", "status": status, "timestamp": "1749854575", "recipient_id": "16505551234",
            "errors": errors, "pricing": { "billable": true, "category": "utility" } });
        understood(&delivery(&[("messages", with_metadata(json!({ "statuses": [status] })))]))
    };
    for (word, kind) in [
        ("sent", ReceiptKind::Sent),
        ("delivered", ReceiptKind::Delivered),
        ("read", ReceiptKind::Read),
        ("played", ReceiptKind::Read),
    ] {
        let told = status(word, Value::Null);
        let expected = Receipt { provider_id: "wamid.9".to_owned(), kind, error: None };
        assert_eq!(told[0].kind, InboundKind::Receipt(expected), "{word}");
        assert_eq!((told.len(), told[0].chat.as_str()), (1, "16505551234"));
    }
    let failed = status(
        "failed",
        json!([{ "code": 131_047, "title": "Re-engagement", "error_data": { "details": "24 h" } }]),
    );
    let InboundKind::Receipt(receipt) = &failed[0].kind else { panic!("{failed:?}") };
    assert_eq!(
        (receipt.kind, receipt.error.as_deref()),
        (ReceiptKind::Failed, Some("131047: Re-engagement: 24 h"))
    );
    let opted_out = status("failed", json!([{ "code": 131_050, "title": "x" }]));
    assert_eq!(opted_out[1].kind, InboundKind::ContactOptedOut { opted_out: true });
    let locked = status("failed", json!([{ "code": 131_031, "title": "Locked" }]));
    let InboundKind::AccountNotice { effect, .. } = &locked[1].kind else { panic!("{locked:?}") };
    assert_eq!(*effect, NoticeEffect::Stopped { reason: "banned".to_owned(), until: None });
    assert_eq!(
        status("warped", Value::Null)[0].kind,
        InboundKind::Ignored { what: "status warped".to_owned() }
    );
}

#[test]
fn what_meta_says_of_an_account_is_a_notice_with_its_effect() {
    let stopped = |reason: &str, until: Option<i64>| NoticeEffect::Stopped {
        reason: reason.to_owned(),
        until: until.map(|seconds| Timestamp::from_micros(seconds * 1_000_000)),
    };
    for (field, value, what, effect) in [
        (
            "account_update",
            json!({ "event": "VERIFIED_ACCOUNT" }),
            "account_update VERIFIED_ACCOUNT",
            NoticeEffect::None,
        ),
        (
            "account_update",
            json!({ "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": "DISABLE" } }),
            "account_update DISABLED_UPDATE",
            stopped("banned", None),
        ),
        (
            "account_update",
            json!({ "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": "SCHEDULE_FOR_DISABLE" } }),
            "account_update DISABLED_UPDATE",
            NoticeEffect::None,
        ),
        (
            "account_update",
            json!({ "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": "REINSTATE" } }),
            "account_update DISABLED_UPDATE",
            NoticeEffect::Restored,
        ),
        (
            "account_update",
            json!({ "event": "ACCOUNT_RESTRICTION", "restriction_info": [{ "restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING" }] }),
            "account_update ACCOUNT_RESTRICTION",
            NoticeEffect::None,
        ),
        (
            "account_update",
            json!({ "event": "ACCOUNT_RESTRICTION", "restriction_info": [
                { "restriction_type": "RESTRICTED_CUSTOMER_INITIATED_MESSAGING", "expiration": 1_800_000_000 }] }),
            "account_update ACCOUNT_RESTRICTION",
            stopped("restricted", Some(1_800_000_000)),
        ),
        (
            "account_update",
            json!({ "event": "PARTNER_REMOVED", "disconnection_info": { "reason": "PRIMARY_INACTIVITY" } }),
            "account_update PARTNER_REMOVED",
            stopped("logged_out", None),
        ),
        (
            "account_update",
            json!({ "event": "ACCOUNT_RECONNECTED" }),
            "account_update ACCOUNT_RECONNECTED",
            NoticeEffect::Restored,
        ),
        (
            "phone_number_quality_update",
            json!({ "display_phone_number": "15550783881", "event": "FLAGGED", "current_limit": "TIER_1K" }),
            "phone_number_quality_update FLAGGED",
            NoticeEffect::None,
        ),
        (
            "message_template_status_update",
            json!({ "event": "REJECTED", "message_template_name": "spring", "reason": "INVALID_FORMAT" }),
            "message_template_status_update REJECTED",
            NoticeEffect::None,
        ),
    ] {
        let told = one(&delivery(&[(field, value.clone())]));
        let InboundKind::AccountNotice { what: named, effect: found, .. } = told.kind else {
            panic!("{value}")
        };
        assert_eq!((named.as_str(), found), (what, effect), "{value}");
        assert!(told.chat.is_empty());
    }
    // The quality of another number of the same business is not this one's.
    let other = json!({ "display_phone_number": "4930111111", "event": "FLAGGED" });
    let told = one(&delivery(&[("phone_number_quality_update", other)]));
    assert!(matches!(told.kind, InboundKind::Ignored { .. }), "{told:?}");
}
