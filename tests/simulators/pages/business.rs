//! Pages and accounts: whose a token is, what their app is told of, what they show, their templates.

use serde_json::{Value, json};

use super::state::{Kind, State};
use crate::simulators::meta::{Call, Grant, Refusal, Reply, page};

/// What a page's app may be told of.
const PAGE_EVENTS: &[&str] = &[
    "messages",
    "messaging_postbacks",
    "message_deliveries",
    "message_reads",
    "message_reactions",
    "message_echoes",
    "message_edits",
    "messaging_referrals",
    "messaging_optins",
    "messaging_handovers",
    "standby",
    "messaging_policy_enforcement",
];
/// What an account's may be told of; one of the names that Meta's pages disagree about is not among them.
const ACCOUNT_EVENTS: &[&str] = &[
    "messages",
    "messaging_postbacks",
    "messaging_seen",
    "message_reactions",
    "messaging_referral",
    "messaging_optins",
    "messaging_handover",
    "standby",
    "comments",
    "live_comments",
];

/// The page or account that a token speaks for.
fn speaks_for(state: &State, grant: &Grant) -> Option<String> {
    let (page, account) = match state.kind {
        Kind::InstagramLogin => ("", "instagram_business_basic"),
        Kind::Messenger | Kind::Instagram => ("pages_messaging", ""),
    };
    state.pages.iter().find_map(|(id, told)| {
        let own = grant.allows(page, id).then(|| id.clone());
        own.or_else(|| grant.allows(account, &told.account).then(|| told.account.clone()))
    })
}

/// A node by its id, or by `me`; refused where the token does not allow `scope` for it.
pub(super) fn node(state: &State, node: &str, grant: &Grant, scope: &str) -> Result<String, Refusal> {
    let id = match node {
        "me" => speaks_for(state, grant).ok_or_else(|| Refusal::unknown(node))?,
        id => id.to_owned(),
    };
    if grant.allows(scope, &id) {
        return Ok(id);
    }
    let known = state.pages.iter().any(|(page, told)| *page == id || told.account == id);
    if !known {
        return Err(Refusal::unknown(&id));
    }
    Err(Refusal::new(403, 10, "(#10) This Page does not have permission").with_subcode(2_018_065))
}

fn shown(state: &State, id: &str, with_token: bool) -> Value {
    let told = &state.pages[id];
    let mut value = json!({
        "id": id, "name": told.name,
        "instagram_business_account": { "id": told.account, "username": "jaspers.market" },
    });
    if with_token {
        value["access_token"] = told.token.as_str().into();
    }
    value
}

pub(super) fn me(state: &State, call: &Call, grant: &Grant) -> Value {
    let id = speaks_for(state, grant);
    match (state.kind, id) {
        (Kind::InstagramLogin, Some(id)) => {
            if call.text("fields").is_none_or(|fields| !fields.contains("user_id")) {
                return json!({ "id": "9001" });
            }
            json!({ "user_id": id, "username": "jaspers.market", "id": "9001" })
        }
        (_, Some(id)) => {
            let mut value = shown(state, &id, false);
            // Only what is asked for is told.
            let fields = call.text("fields").unwrap_or_default();
            if !fields.contains("instagram_business_account") {
                value.as_object_mut().expect("it is an object").remove("instagram_business_account");
            }
            value
        }
        (_, None) => json!({ "id": "501", "name": "A person" }),
    }
}

pub(super) fn accounts(state: &State, call: &Call, grant: &Grant) -> Reply {
    if !grant.allows("pages_show_list", "*") {
        return Err(Refusal::new(403, 200, "(#200) Missing Permissions"));
    }
    let with_token = call.text("fields").is_some_and(|fields| fields.contains("access_token"));
    let all: Vec<_> = state.pages.keys().map(|id| shown(state, id, with_token)).collect();
    Ok(page(&all, call))
}

pub(super) fn subscribe(state: &mut State, place: &str, call: &Call, grant: &Grant) -> Reply {
    let (scope, known) = match state.kind {
        Kind::InstagramLogin => ("instagram_business_manage_messages", ACCOUNT_EVENTS),
        Kind::Messenger | Kind::Instagram => ("pages_manage_metadata", PAGE_EVENTS),
    };
    let id = node(state, place, grant, scope)?;
    let fields = call.text("subscribed_fields").unwrap_or_default();
    if let Some(odd) = fields.split(',').find(|field| !known.contains(field)) {
        let words = format!(
            "(#100) Param subscribed_fields[0] must be one of {{{}}} - got \"{odd}\"",
            known.join(", ")
        );
        return Err(Refusal::new(400, 100, words));
    }
    state.subscribed.insert(id, fields.to_owned());
    Ok(json!({ "success": true }))
}

pub(super) fn profile(state: &mut State, place: &str, call: &Call, grant: &Grant) -> Reply {
    let scope = match state.kind {
        Kind::InstagramLogin => "instagram_business_manage_messages",
        Kind::Messenger | Kind::Instagram => "pages_messaging",
    };
    let id = node(state, place, grant, scope)?;
    let is_for_instagram = call.text("platform") == Some("instagram");
    if is_for_instagram != state.is_instagram() {
        return Err(Refusal::parameter("the profile is for the other platform"));
    }
    state.profiles.insert(id, call.body());
    Ok(json!({ "result": "success" }))
}

pub(super) fn templates(state: &State, place: &str, call: &Call, grant: &Grant) -> Reply {
    node(state, place, grant, "pages_utility_messaging")?;
    let template = json!({
        "id": "1", "name": "order_update", "language": "en_US", "status": "APPROVED", "category": "UTILITY",
        "components": [{ "type": "BODY", "text": "Your order {{1}} is on its way" }],
    });
    Ok(page(&[template], call))
}
