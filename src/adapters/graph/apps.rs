//! What an app of Meta's is made of: the same for all three channels, since one app may serve them all.

use channel::{ConnectField, Credentials};

/// Whose apps they are.
pub(crate) const PROVIDER: &str = "meta";
/// The app's id.
pub(crate) const APP_ID: &str = "app_id";
/// Signs webhooks, exchanges tokens.
pub(crate) const APP_SECRET: &str = "app_secret";
/// What Meta says when it asks whether the app's address is right.
pub(crate) const APP_VERIFY_TOKEN: &str = "app_verify_token";
/// A configuration of Facebook Login for Business: which assets and permissions its page asks for.
pub(crate) const APP_CONFIG_ID: &str = "app_config_id";

/// What a person enters to register an app of Meta's.
pub(crate) fn fields() -> Vec<ConnectField> {
    let field = |name, label, help, secret, required| ConnectField { name, label, help, secret, required };
    vec![
        field(APP_ID, "App ID", "developers.facebook.com, your app, App settings, Basic.", false, true),
        field(
            APP_SECRET,
            "App secret",
            "On the same page, behind Show. It proves that webhooks are Meta's.",
            true,
            true,
        ),
        field(
            APP_VERIFY_TOKEN,
            "Verify token",
            "A word of your own choice; enter the same one beside the callback URL in the app's Webhooks.",
            true,
            true,
        ),
        field(
            APP_CONFIG_ID,
            "Login configuration ID",
            "Facebook Login for Business, Configurations. Needed where people connect on a page of Meta's.",
            false,
            false,
        ),
    ]
}

/// The token that speaks for the app itself; empty where the app is not known.
pub(crate) fn app_token(app: &Credentials) -> String {
    match (app.get(APP_ID), app.get(APP_SECRET)) {
        ("", _) | (_, "") => String::new(),
        (id, secret) => format!("{id}|{secret}"),
    }
}
