//! The two signatures of TikTok Shop: ours under every call, and theirs under every webhook.

use channel::signature::hmac_sha256_hex;

/// What a call is signed over beside its path and body. These two are sent and not signed.
const UNSIGNED: &[&str] = &["access_token", "sign"];

/// The parameter `sign` of a call. `body` is what is sent, byte for byte; empty for a GET and for a form with a file, which
/// TikTok leaves out.
pub(super) fn call(app_secret: &str, path: &str, query: &[(&str, String)], body: &[u8]) -> String {
    let mut signed: Vec<_> = query.iter().filter(|(name, _)| !UNSIGNED.contains(name)).collect();
    signed.sort_unstable();
    let secret = app_secret.as_bytes();
    let mut parts = vec![secret, path.as_bytes()];
    for (name, value) in signed {
        parts.extend([name.as_bytes(), value.as_bytes()]);
    }
    parts.extend([body, secret]);
    hmac_sha256_hex(secret, &parts)
}

/// The header `Authorization` of a webhook. Nothing in it tells a time: that an event is repeated, only its key tells.
pub(super) fn webhook(app_key: &str, app_secret: &str, body: &[u8]) -> String {
    hmac_sha256_hex(app_secret.as_bytes(), &[app_key.as_bytes(), body])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    }

    const SHOPS: &str = "/authorization/202309/shops";
    const SIGNED: &str = "b596b73e0cc6de07ac26f036364178ab16b0a907af13d43f0a0cd2345f582dc8";

    /// The vector of Partner Center, "Sign your API request".
    #[test]
    fn a_call_is_signed_as_published() {
        let plain = query(&[("app_key", "29a39d"), ("timestamp", "1623812664")]);
        assert_eq!(call("e59af819cc", SHOPS, &plain, b""), SIGNED);
        let unsorted = query(&[
            ("timestamp", "1623812664"),
            ("sign", "of another call"),
            ("app_key", "29a39d"),
            ("access_token", "TTP_x"),
        ]);
        assert_eq!(call("e59af819cc", SHOPS, &unsorted, b""), SIGNED);
    }

    #[test]
    fn each_part_of_a_call_is_signed() {
        let given = query(&[("app_key", "29a39d"), ("timestamp", "1623812664")]);
        let other = query(&[("app_key", "29a39d"), ("timestamp", "1623812665")]);
        assert_ne!(call("e59af819cd", SHOPS, &given, b""), SIGNED);
        assert_ne!(call("e59af819cc", "/authorization/202309/shop", &given, b""), SIGNED);
        assert_ne!(call("e59af819cc", SHOPS, &other, b""), SIGNED);
        assert_ne!(call("e59af819cc", SHOPS, &given, b"{}"), SIGNED);
    }

    /// The vector of Partner Center, "Webhooks configuration guide".
    #[test]
    fn a_webhook_is_signed_as_published() {
        let body = br#"{"type":1,"tts_notification_id":"7380066284010030890","shop_id":"7495540735365777507","timestamp":1718305585,"data":{"is_on_hold_order":true,"order_id":"576653688135258178","order_status":"UNPAID","update_time":1718305585}}"#;
        assert_eq!(
            webhook("abcdef", "123", body),
            "5dec0f11ec2f6783b8deee53c9ffbf8d024302f7c7e7fa55a35d17629031ac05"
        );
    }
}
