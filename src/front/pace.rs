//! An account's pace: its rules and how much of each is used, its days to come, and when more messages would be out.

use std::time::Duration;

use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use channel::Pacing;
use model::{AccountId, Hold, Origin, Purpose, Timestamp, Wait};
use pacing::{CalendarDay, More};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::{Id, Json};
use crate::problem::{Kind, Problem};
use crate::schema;
use crate::waiting;

/// Days of the calendar that is shown: the longest stage of a warm-up and the week after it.
const DAYS: u32 = 30;
/// Most messages of a preview.
const MESSAGES_MAX: u32 = 100_000;
/// Messages that wait already and are played with those of a preview.
const WAITING_MAX: u32 = 20_000;
/// Questions to the rules that a preview may cost; each takes microseconds.
const ASKS: u64 = 400_000;
/// Longest text that is thought of, in characters.
const CHARS_MAX: u32 = 100_000;

/// No preview begins later than so far ahead: nobody knows the rules of then.
const FARTHEST: Duration = Duration::from_hours(24 * 366);

/// What is assumed of a preview's messages unless somebody says so.
const CHARS: u32 = 120;
const ORIGIN: Origin = Origin::Api;

/// Stands for the text that all messages of a preview share.
const SAME_TEXT: u64 = 1;

#[derive(Debug, Serialize)]
struct PaceView<'a> {
    pacing: Pacing,
    pace_scale: f64,
    timezone: &'a str,
    overrides: &'a Value,
    rules: Vec<pacing::RuleView>,
    calendar: Vec<CalendarDay>,
    response: Option<Answers>,
    failures_in_a_row: u32,
    holds: Vec<&'a Hold>,
    waiting: Option<Wait>,
}

#[derive(Debug, Serialize)]
struct Answers {
    recipients: u32,
    wrote: u32,
}

/// Shows every rule of an account: what it demands, how much of it is used, when it lets the next message go; and what
/// the account may do on the days to come.
#[utoipa::path(get, path = "/v1/accounts/{id}/pace", tag = "accounts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The rules", body = schema::AccountPace)))]
async fn account_pace(
    Shared(front): Shared<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsRead)?;
    let account = front.seen_account(&caller, id).await?;
    let pace = front.lane_pace(&account).await?;
    let view = PaceView {
        pacing: pace.pacing,
        pace_scale: account.pace_scale,
        timezone: &account.timezone,
        overrides: &account.pacing,
        rules: pacing::explain(&pace.profile, &pace.state, pace.now),
        calendar: pacing::calendar(&pace.profile, pace.now, DAYS),
        response: pace
            .response
            .map(|response| Answers { recipients: response.recipients, wrote: response.wrote }),
        failures_in_a_row: account.failures_in_a_row,
        holds: account.holds.iter().filter(|hold| hold.until > pace.now).collect(),
        waiting: waiting::stopped(&account, pace.now),
    };
    Ok(axum::Json(json!(view)).into_response())
}

/// Messages that somebody thinks of sending.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewPace {
    /// The account to send from.
    #[schema(value_type = Uuid)]
    account_id: AccountId,
    /// How many, each to a chat of its own; 1 to 100,000.
    messages: u32,
    /// What they are for; `campaign` if not given.
    #[schema(value_type = Option<schema::Purpose>)]
    purpose: Option<Purpose>,
    /// How many of them go to new contacts: chats that the account never sent to and that never wrote. If not given, all of
    /// a campaign and none of anything else; the answer says what was assumed.
    new_contacts: Option<u32>,
    /// When they are queued; now if not given or past. At most 366 days ahead.
    #[schema(value_type = Option<schema::Timestamp>)]
    start: Option<Timestamp>,
    /// The length of each text, in characters; 120 if not given.
    chars: Option<u32>,
    /// Whether all have the same text, which a campaign may send only so often in a row. False if not given.
    #[serde(default)]
    same_text: bool,
    /// What makes them: `agent` (a person) or `api`, which is what it is if not given.
    #[schema(value_type = Option<schema::Origin>)]
    origin: Option<Origin>,
    /// Whether the contacts that are not new wrote within the last 24 hours: then a conversation goes at reply pace.
    #[serde(default)]
    replies: bool,
    /// Of those whom campaigns reach, the share that will answer within a day, 0 to 1: campaigns that nobody answers slow
    /// down, and then rest. If not given, as many as answered so far; nobody where no campaign was sent yet.
    answers: Option<f64>,
}

/// Foresees when so many messages would be out if they were queued at `start`, behind what waits already: when the last
/// one leaves, and which rule binds when. Sends nothing.
#[utoipa::path(post, path = "/v1/pace/preview", tag = "accounts", request_body = PreviewPace,
    responses((status = 200, description = "What would come of it", body = schema::PacePreview)))]
async fn preview_pace(
    Shared(front): Shared<Front>,
    caller: Caller,
    Json(body): Json<PreviewPace>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsRead)?;
    body.check(front.clock.now())?;
    let account = match front.seen_account(&caller, body.account_id).await {
        Err(problem) if problem.is_not_found() => {
            return Err(Problem::field("account_id", "not_found", "there is no such account"));
        }
        account => account?,
    };
    let (pace, ahead) = front.lane(&account, WAITING_MAX).await?;
    let waiting = waiting::stopped(&account, pace.now);
    if waiting.as_ref().is_some_and(|wait| wait.until.is_none()) {
        return Ok(axum::Json(json!({
            "finish": null, "estimate": false, "sent": 0, "refused": 0, "timeline": [], "waiting": waiting,
            "assumed": body.assumed(),
        }))
        .into_response());
    }
    let purpose = body.purpose();
    let mut play = front.play(&account, &pace, &ahead, purpose == Purpose::Campaign).await?;
    if let Some(share) = body.answers {
        play.expect_answers(share);
    }
    let more = More {
        messages: body.messages,
        new_contacts: body.new_contacts(),
        purpose,
        origin: body.origin.unwrap_or(ORIGIN),
        chars: body.chars.unwrap_or(CHARS),
        text: body.same_text.then_some(SAME_TEXT),
        last_inbound_at: body.replies.then_some(pace.now),
        start: body.start.unwrap_or(pace.now).max(pace.now),
    };
    let assumed = body.assumed();
    // Up to a second of pure reckoning, which other requests need not wait for.
    let preview = tokio::task::spawn_blocking(move || play.preview(&more, ASKS)).await.map_err(|error| {
        tracing::error!(%error, "a preview could not be played");
        Problem::new(Kind::Internal)
    })?;
    let mut answer = json!(preview);
    answer["waiting"] = json!(waiting);
    answer["assumed"] = assumed;
    Ok(axum::Json(answer).into_response())
}

impl PreviewPace {
    fn purpose(&self) -> Purpose {
        self.purpose.unwrap_or(Purpose::Campaign)
    }

    /// Campaigns are what new contacts are found by; whoever is told something else is known, as a rule.
    fn new_contacts(&self) -> u32 {
        let all = if self.purpose() == Purpose::Campaign && !self.replies { self.messages } else { 0 };
        self.new_contacts.unwrap_or(all)
    }

    /// What nobody said and the preview had to take for granted.
    fn assumed(&self) -> Value {
        json!({
            "purpose": self.purpose.is_none().then(|| self.purpose()),
            "new_contacts": self.new_contacts.is_none().then(|| self.new_contacts()),
            "chars": self.chars.is_none().then_some(CHARS),
            "origin": self.origin.is_none().then_some(ORIGIN),
        })
    }

    fn check(&self, now: Timestamp) -> Result<(), Problem> {
        let mut problem = Problem::new(Kind::Validation);
        if !(1..=MESSAGES_MAX).contains(&self.messages) {
            problem =
                problem.and("messages", "out_of_range", format!("must lie within 1 and {MESSAGES_MAX}"));
        }
        if self.new_contacts.is_some_and(|new| new > self.messages) {
            problem = problem.and("new_contacts", "out_of_range", "there are not so many messages");
        }
        if self.start.is_some_and(|start| start > now + FARTHEST) {
            problem = problem.and("start", "out_of_range", "at most 366 days ahead");
        }
        if self.chars.is_some_and(|chars| chars > CHARS_MAX) {
            problem = problem.and("chars", "out_of_range", format!("at most {CHARS_MAX} characters"));
        }
        if self.answers.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            problem = problem.and("answers", "out_of_range", "must lie within 0 and 1");
        }
        if self.origin.is_some_and(|origin| !matches!(origin, Origin::Agent | Origin::Api)) {
            problem = problem.and("origin", "invalid", "`agent` or `api`");
        }
        problem.or_ok()
    }
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(account_pace)).routes(routes!(preview_pace))
}
