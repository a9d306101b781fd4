//! A business and its numbers: what they are, and who is told of them.

use serde_json::{Value, json};

use super::state::State;
use crate::simulators::meta::{Call, Core, Grant, Refusal, Reply, page};

/// `GET /{number}`
pub(super) fn number(state: &State, id: &str, grant: &Grant) -> Reply {
    let number = state.numbers.get(id).ok_or_else(|| Refusal::unknown(id))?;
    if !grant.allows("whatsapp_business_management", &number.business) {
        return Err(Refusal::unknown(id));
    }
    Ok(described(state, id))
}

/// `GET /{business}/phone_numbers`
pub(super) fn numbers(state: &State, business: &str, call: &Call, grant: &Grant) -> Reply {
    state.manages(business, grant)?;
    let own = state.numbers.iter().filter(|(_, number)| number.business == business);
    let all: Vec<_> = own.map(|(id, _)| described(state, id)).collect();
    Ok(page(&all, call))
}

fn described(state: &State, id: &str) -> Value {
    let number = &state.numbers[id];
    let platform = if number.registered { "CLOUD_API" } else { "NOT_APPLICABLE" };
    json!({
        "id": id, "display_phone_number": number.phone, "verified_name": number.name, "quality_rating": "GREEN",
        "throughput": { "level": "STANDARD" }, "platform_type": platform, "is_on_biz_app": false,
    })
}

/// `POST /{business}/subscribed_apps`
pub(super) fn subscribe(state: &mut State, business: &str, grant: &Grant) -> Reply {
    state.manages(business, grant)?;
    state.subscribed.insert(business.to_owned());
    Core::success()
}

/// `GET /{business}/message_templates`
pub(super) fn templates(state: &State, business: &str, call: &Call, grant: &Grant) -> Reply {
    state.manages(business, grant)?;
    let all: Vec<_> = state
        .templates
        .iter()
        .map(|template| {
            json!({
                "id": "1", "name": template.name, "language": template.language, "status": template.status,
                "category": template.category, "components": [{ "type": "BODY", "text": "Hello {{1}}" }],
            })
        })
        .collect();
    Ok(page(&all, call))
}

/// `POST /{number}/register`
pub(super) fn register(state: &mut State, id: &str, call: &Call, grant: &Grant) -> Reply {
    let number = state.sender(id, grant)?;
    let pin = call.text("pin").filter(|pin| pin.len() == 6 && pin.bytes().all(|byte| byte.is_ascii_digit()));
    if call.text("messaging_product") != Some("whatsapp") || pin.is_none() {
        return Err(Refusal::parameter("The parameter pin must be 6 digits"));
    }
    number.registered = true;
    Core::success()
}

/// `POST /{number}` with a `webhook_configuration`: Meta asks the address first.
pub(super) fn configure(state: &mut State, id: &str, call: &Call, grant: &Grant) -> Reply {
    let answers = state.callback_answers;
    let number = state.sender(id, grant)?;
    let configuration =
        call.params.get("webhook_configuration").ok_or_else(|| Refusal::parameter("nothing to change"))?;
    let text = |name: &str| configuration.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (url, word) = (text("override_callback_uri"), text("verify_token"));
    if !url.starts_with("https://") || word.is_empty() {
        return Err(Refusal::parameter(
            "override_callback_uri must be an HTTPS address, with a verify_token",
        ));
    }
    if !answers {
        let refusal = Refusal::new(
            400,
            2200,
            "(#2200) Callback verification failed with the following errors: HTTP Status Code = 404",
        );
        return Err(refusal);
    }
    number.callback = Some((url, word));
    Core::success()
}
