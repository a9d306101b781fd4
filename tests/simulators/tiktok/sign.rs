//! Both signatures, written from the documentation's steps and not from the adapter.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

fn hmac_hex(secret: &str, text: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text);
    hex::encode(mac.finalize().into_bytes())
}

/// The `sign` of a call: its parameters but for `sign` and `access_token` by name, behind its path, before its body unless
/// that is a form, all between two secrets.
pub fn call_signature(
    secret: &str,
    path: &str,
    query: &BTreeMap<String, String>,
    body: &[u8],
    is_form: bool,
) -> String {
    let mut text = format!("{secret}{path}").into_bytes();
    for (name, value) in query {
        if name != "sign" && name != "access_token" {
            text.extend(format!("{name}{value}").bytes());
        }
    }
    if !is_form {
        text.extend(body);
    }
    text.extend(secret.bytes());
    hmac_hex(secret, &text)
}

/// The `Authorization` of a webhook.
pub fn webhook_signature(key: &str, secret: &str, body: &[u8]) -> String {
    hmac_hex(secret, &[key.as_bytes(), body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_give_the_published_values() {
        let query = [("timestamp", "1623812664"), ("app_key", "29a39d"), ("sign", "x")];
        let query = query.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(
            call_signature("e59af819cc", "/authorization/202309/shops", &query, b"", false),
            "b596b73e0cc6de07ac26f036364178ab16b0a907af13d43f0a0cd2345f582dc8"
        );
        let body = br#"{"type":1,"tts_notification_id":"7380066284010030890","shop_id":"7495540735365777507","timestamp":1718305585,"data":{"is_on_hold_order":true,"order_id":"576653688135258178","order_status":"UNPAID","update_time":1718305585}}"#;
        assert_eq!(
            webhook_signature("abcdef", "123", body),
            "5dec0f11ec2f6783b8deee53c9ffbf8d024302f7c7e7fa55a35d17629031ac05"
        );
    }
}
