//! Connecting on a page of a provider: who began it, and what they may connect when they came back.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use model::{Actor, ChannelAppId, OauthLoginId, Timestamp, WorkspaceId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use sqlx::types::chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{read, statements, write};
use crate::{Sealer, Store, StoreError, nul};

macro_rules! columns {
    () => {
        "id, workspace_id, channel, app_id, actor, settings, candidates, error, returned_at, expires_at"
    };
}

statements! {
    BEGIN = "INSERT INTO oauth_logins
        (id, workspace_id, channel, app_id, actor, state_hash, settings, expires_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    /// One return takes it, whoever else comes with the same state.
    RETURN = concat!("UPDATE oauth_logins SET returned_at = $3
        WHERE state_hash = $1 AND channel = $2 AND returned_at IS NULL AND expires_at > $3 RETURNING ", columns!());
    FINISH = "UPDATE oauth_logins SET candidates = $2, error = $3, expires_at = $4 WHERE id = $1";
    ONE = concat!("SELECT ", columns!(), " FROM oauth_logins
        WHERE workspace_id = $1 AND id = $2 AND actor = $3 AND expires_at > $4");
}

/// A visit about to begin.
#[derive(Debug, Clone)]
pub struct NewOauthLogin {
    /// The channel's name.
    pub channel: String,
    /// The app that is let in.
    pub app_id: ChannelAppId,
    /// Who begins it.
    pub actor: Actor,
    /// The SHA-256 of what the provider gives back unchanged.
    pub state_hash: Vec<u8>,
    /// Settings for the accounts, without secrets.
    pub settings: Value,
    /// How long the person may take.
    pub lasting: Duration,
}

/// A visit to a page of a provider.
#[derive(Debug, Clone)]
pub struct OauthLogin {
    /// Its id.
    pub id: OauthLoginId,
    /// The tenant.
    pub workspace_id: WorkspaceId,
    /// The channel's name.
    pub channel: String,
    /// The app that is let in.
    pub app_id: ChannelAppId,
    /// Who began it.
    pub actor: Actor,
    /// Settings for the accounts.
    pub settings: Value,
    /// What may be connected; none until the person came back.
    pub candidates: Option<Vec<OauthCandidate>>,
    /// Why nothing can be connected.
    pub error: Option<String>,
    /// When the person came back.
    pub returned_at: Option<Timestamp>,
    /// Until when it can be gone on with.
    pub expires_at: Timestamp,
}

/// An account that may be connected. `Debug` shows no secrets.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct OauthCandidate {
    /// Who it is at the provider.
    pub external_id: String,
    /// What the provider calls it.
    pub name: Option<String>,
    /// Its secrets, by name.
    pub credentials: BTreeMap<String, String>,
    /// Its settings.
    pub settings: Value,
}

impl fmt::Debug for OauthCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OauthCandidate")
            .field("external_id", &self.external_id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    workspace_id: Uuid,
    channel: String,
    app_id: Uuid,
    actor: String,
    settings: Json<Value>,
    candidates: Option<Vec<u8>>,
    error: Option<String>,
    returned_at: Option<DateTime<Utc>>,
    expires_at: DateTime<Utc>,
}

impl Row {
    fn open(self, sealer: &Sealer) -> Result<OauthLogin, StoreError> {
        let candidates = match &self.candidates {
            Some(bytes) => {
                let plain = sealer.open(self.id, bytes)?;
                let unreadable = |error: serde_json::Error| StoreError::Unreadable(error.to_string());
                Some(serde_json::from_slice(&plain).map_err(unreadable)?)
            }
            None => None,
        };
        Ok(OauthLogin {
            id: self.id.into(),
            workspace_id: self.workspace_id.into(),
            channel: self.channel,
            app_id: self.app_id.into(),
            actor: Actor(self.actor),
            settings: self.settings.0,
            candidates,
            error: self.error,
            returned_at: self.returned_at.map(Timestamp::from),
            expires_at: self.expires_at.into(),
        })
    }
}

impl Store {
    /// Begins a visit, and says until when the person may come back from it.
    pub async fn begin_oauth(
        &self,
        workspace: WorkspaceId,
        new: &NewOauthLogin,
    ) -> Result<(OauthLoginId, Timestamp), StoreError> {
        let now = self.now();
        let (id, until): (OauthLoginId, _) = (self.id(now), now + new.lasting);
        write!(self.db, conn => sqlx::query(BEGIN)
            .bind(id.0)
            .bind(workspace.0)
            .bind(&new.channel)
            .bind(new.app_id.0)
            .bind(&new.actor.0)
            .bind(&new.state_hash)
            .bind(Json(&new.settings))
            .bind(until.to_datetime())
            .bind(now.to_datetime())
            .execute(conn).await.map(drop))?;
        Ok((id, until))
    }

    /// The visit that a person comes back from. A state is good for one return, until its time is over.
    pub async fn return_from_oauth(
        &self,
        channel: &str,
        state_hash: &[u8],
    ) -> Result<Option<OauthLogin>, StoreError> {
        let now = self.now().to_datetime();
        let row: Option<Row> = write!(self.db, conn => sqlx::query_as(RETURN)
            .bind(state_hash).bind(channel).bind(now).fetch_optional(conn).await)?;
        row.map(|row| row.open(&self.sealer)).transpose()
    }

    /// Keeps what came of a visit, sealed: what may be connected for so long, or why nothing can be.
    pub async fn finish_oauth(
        &self,
        id: OauthLoginId,
        came: Result<&[OauthCandidate], &str>,
        lasting: Duration,
    ) -> Result<(), StoreError> {
        let sealed = match came {
            Ok(candidates) => {
                let plain = serde_json::to_vec(candidates)
                    .map_err(|error| StoreError::Unreadable(error.to_string()))?;
                Some(self.sealer.seal(&self.ids, id.0, &plain)?)
            }
            Err(_) => None,
        };
        let error = came.err().map(|words| nul::without_text(words.to_owned()));
        let until = (self.now() + lasting).to_datetime();
        write!(self.db, conn => sqlx::query(FINISH)
            .bind(id.0).bind(sealed).bind(error).bind(until).execute(conn).await.map(drop))?;
        Ok(())
    }

    /// A visit of this caller that is not over yet.
    pub async fn oauth_login(
        &self,
        workspace: WorkspaceId,
        id: OauthLoginId,
        actor: &Actor,
    ) -> Result<OauthLogin, StoreError> {
        let now = self.now().to_datetime();
        let row: Option<Row> = read!(self.db, conn => sqlx::query_as(ONE)
            .bind(workspace.0).bind(id.0).bind(&actor.0).bind(now).fetch_optional(conn).await)?;
        row.ok_or(StoreError::NotFound("visit"))?.open(&self.sealer)
    }
}
