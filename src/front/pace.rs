//! An account's pace: its rules and how much of each is used, from the send ledger.

use std::time::Duration;

use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use channel::{LimitScope, Pacing};
use model::{Account, AccountId, ConversationKind, Pace, Purpose, Timestamp, Wait};
use pacing::{Kind as Demand, Limit, PastSend, Profile, Reach, State};
use serde::Serialize;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Front;
use crate::auth::{Caller, Scope};
use crate::body::Id;
use crate::problem::{Kind, Problem};
use crate::schema;
use crate::waiting;

/// How an account is paced now.
#[derive(Debug)]
pub(crate) struct AccountPace {
    pacing: Pacing,
    profile: Profile,
    state: State,
}

#[derive(Debug, Serialize)]
struct PaceView {
    pacing: Pacing,
    pace_scale: f64,
    rules: Vec<pacing::RuleView>,
    waiting: Option<Wait>,
}

impl Front {
    /// The account's rules, and their state as the send ledger has it.
    pub(crate) async fn pace_of(&self, account: &Account) -> Result<AccountPace, Problem> {
        let channel = self.channels.get(&account.channel).ok_or_else(|| {
            Problem::new(Kind::Conflict).because("its channel is switched off in this installation")
        })?;
        let capabilities = channel.capabilities();
        let limits: Vec<Limit> = capabilities.limits.iter().map(limit).collect();
        let profile = Profile::of_account(account, capabilities.pacing == Pacing::Person, &limits)
            .map_err(|error| {
                tracing::error!(account.id = %account.id, %error, "an account's pacing makes no sense");
                Problem::new(Kind::Internal)
            })?;
        let now = self.clock.now();
        let past = self.store.past_attempts(account.id, now - profile.horizon()).await?;
        let past = past.into_iter().map(|attempt| PastSend {
            chat: attempt.conversation_id.to_string(),
            is_group: attempt.chat_kind != ConversationKind::Direct,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            purpose: Purpose::Conversation,
            text: None,
            is_new: false,
        });
        let state = State::rebuild(&profile, capabilities.width, past, now);
        Ok(AccountPace { pacing: capabilities.pacing, profile, state })
    }
}

fn limit(limit: &channel::Limit) -> Limit {
    Limit {
        name: limit.name.to_owned(),
        scope: match limit.scope {
            LimitScope::Account => Reach::Account,
            LimitScope::Chat => Reach::Chat,
            LimitScope::Group => Reach::Group,
        },
        count: limit.count,
        window: Duration::try_from_secs_f64(limit.seconds).unwrap_or_default(),
        burst: limit.burst,
        source: format!("{}, read on {}", limit.source, limit.read_on),
    }
}

impl AccountPace {
    /// When `ahead` other messages of the account and `behind` ones of the same chat have left at this pace, as far
    /// as can be foreseen, and not before `after`.
    pub(crate) fn foresee(
        &self,
        pace: Pace,
        after: Timestamp,
        now: Timestamp,
        ahead: u32,
        behind: u32,
    ) -> Timestamp {
        let of_account = |view: &pacing::RuleView| view.reach == Reach::Account;
        let views = pacing::explain(&self.profile, &self.state, now);
        let free = views.into_iter().filter(of_account).filter_map(|view| view.next_free).max();
        let (mut account, mut chat) = (Duration::ZERO, Duration::ZERO);
        for rule in self.profile.rules() {
            let each = match rule.kind {
                Demand::Gap { pace: of, min, max } if of == pace => (min + max) / 2,
                Demand::Bucket { every, .. } => every,
                Demand::Cap { count, window } => window / count.max(1),
                Demand::Gap { .. } | Demand::Typing { .. } => Duration::ZERO,
            };
            match rule.reach {
                Reach::Account => account = account.max(each),
                Reach::Chat => chat = chat.max(each),
                Reach::Group => {}
            }
        }
        let turns = account.saturating_mul(ahead).max(chat.saturating_mul(behind));
        free.unwrap_or(now).max(after).max(now) + turns
    }
}

/// Shows every rule of an account: what it demands, how much of it is used, when it lets the next message go.
#[utoipa::path(get, path = "/v1/accounts/{id}/pace", tag = "accounts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The rules", body = schema::AccountPace)))]
async fn account_pace(
    Shared(front): Shared<Front>,
    caller: Caller,
    Id(id): Id<AccountId>,
) -> Result<Response, Problem> {
    caller.needs(Scope::AccountsRead)?;
    let account = front.seen_account(&caller, id).await?;
    let pace = front.pace_of(&account).await?;
    let now = front.clock.now();
    let view = PaceView {
        pacing: pace.pacing,
        pace_scale: account.pace_scale,
        rules: pacing::explain(&pace.profile, &pace.state, now),
        waiting: waiting::stopped(&account, now),
    };
    Ok(axum::Json(json!(view)).into_response())
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(account_pace))
}
