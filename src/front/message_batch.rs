//! Many messages in one request: each stands or falls by itself.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::Message;
use queue::Push;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::{Created, Idempotency, NewItem};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::replay;
use crate::auth::{Caller, Scope};
use crate::compose::{self, SendMessage, Senders};
use crate::idempotency::Keyed;
use crate::problem::{Problem, ProblemDetails};
use crate::{Front, body, schema};

/// Most messages of a request.
const MOST: usize = 500;
/// Most bytes of a request: a full one of long texts.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Messages to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendMessages {
    /// 1 to 500, each as `POST /v1/messages` takes it.
    #[schema(value_type = Vec<SendMessage>, min_items = 1, max_items = 500)]
    messages: Vec<Box<RawValue>>,
}

/// What became of one message of a request.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Outcome {
    Accepted { status: u16, message: Value },
    Refused { status: u16, problem: ProblemDetails },
}

impl Outcome {
    /// Whether the same message may be accepted if only it is sent again.
    const fn is_passing(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status >= 500)
    }
}

impl From<Problem> for Outcome {
    fn from(problem: Problem) -> Self {
        let problem = ProblemDetails::from(problem);
        Self::Refused { status: problem.status, problem }
    }
}

/// Accepts many messages: one result a message, in their order. Each is accepted (202) or refused by itself; those to one
/// conversation are sent in their order. The body may have 8 MiB.
///
/// With an `Idempotency-Key` the whole request is one request: repeated, it gets an equal answer, and what a broken
/// connection or an outage (a result of 5xx) left undone is done. Another body with the same key is refused as a whole.
#[utoipa::path(post, path = "/v1/messages/batch", tag = "messages", request_body = SendMessages,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Equal requests with one key are one request."),
        ("X-Socket-Id" = Option<String>, Header, description = "The realtime connection that shall not hear of it."),
    ),
    responses((status = 200, description = "A result for each", body = schema::BatchResults)))]
async fn send_messages(
    State(front): State<Front>,
    caller: Caller,
    headers: HeaderMap,
    request: Keyed<SendMessages>,
) -> Result<Response, Problem> {
    caller.needs(Scope::MessagesWrite)?;
    let Keyed { body, idempotency } = request;
    if !(1..=MOST).contains(&body.messages.len()) {
        return Err(Problem::field("messages", "out_of_range", format!("1 to {MOST} messages")));
    }
    if let Some(key) = &idempotency
        && let Some((status, answer)) = front.store.begin_request(caller.workspace, key).await?
    {
        return Ok(replay(status, answer));
    }
    let results = front.send_all(&caller, &headers, &body.messages, idempotency.as_ref()).await;
    let answer = json!({"results": results});
    let status = StatusCode::OK;
    if let Some(key) = &idempotency
        && !results.iter().any(Outcome::is_passing)
    {
        match front.store.finish_request(caller.workspace, key, status.as_u16(), &answer).await {
            Ok((status, answer)) => return Ok(replay(status, answer)),
            // What is accepted is committed with a key of its own: a repeated request finds it.
            Err(error) => tracing::warn!(%error, "the answer to a batch could not be kept"),
        }
    }
    Ok((status, axum::Json(answer)).into_response())
}

impl Front {
    async fn send_all(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        messages: &[Box<RawValue>],
        key: Option<&Idempotency>,
    ) -> Vec<Outcome> {
        let connection = compose::connection(headers);
        let mut senders = Senders::default();
        let mut results: Vec<Option<Outcome>> = Vec::with_capacity(messages.len());
        let mut items: Vec<NewItem> = Vec::with_capacity(messages.len());
        let mut places = Vec::with_capacity(messages.len());
        for (place, message) in messages.iter().enumerate() {
            let composed = match body::parse::<SendMessage>(message.get().as_bytes()) {
                Ok(said) => self.compose(caller, &mut senders, said, connection.clone()).await,
                Err(problem) => Err(problem),
            };
            match composed {
                Ok(new) => {
                    results.push(None);
                    places.push((place, new.channel.clone()));
                    // No caller's key has a space, so none is met by these.
                    let key = key.map(|whole| Idempotency {
                        key: format!("{} {place}", whole.key),
                        request_hash: whole.request_hash.clone(),
                    });
                    items.push((new, key));
                }
                Err(problem) => results.push(Some(problem.into())),
            }
        }
        let accepted =
            self.store.accept_messages(caller.workspace, items, |message: &Message| json!(message)).await;
        let now = self.clock.now();
        let mut pushes = Vec::with_capacity(accepted.len() + 1);
        let mut is_new = false;
        for ((place, channel), accepted) in places.into_iter().zip(accepted) {
            results[place] = Some(match accepted {
                Ok(Created::New(message)) => {
                    is_new = true;
                    pushes.extend(self.job_of(&message, &channel, now).await);
                    metrics::counter!("rookery_messages_accepted_total", "channel" => channel).increment(1);
                    Outcome::Accepted { status: StatusCode::ACCEPTED.as_u16(), message: json!(message) }
                }
                Ok(Created::Before { status, answer }) => Outcome::Accepted { status, message: answer },
                Err(error) => Problem::from(error).into(),
            });
        }
        if is_new {
            pushes.push(Push::relay_events(caller.workspace));
            self.push(pushes).await;
        }
        results.into_iter().flatten().collect()
    }
}

/// The routes of this file.
pub(crate) fn router() -> OpenApiRouter<Front> {
    OpenApiRouter::new().routes(routes!(send_messages)).layer(DefaultBodyLimit::max(BODY_LIMIT))
}
