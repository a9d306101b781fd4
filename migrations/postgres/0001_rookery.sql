-- Rookery's tables. Postgres and SQLite differ in type names only; a test compares the two.
-- Ids are made by the program (UUIDv7), times are bound by it: no default of the database decides anything.

CREATE TABLE workspaces (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE api_keys (
    id UUID PRIMARY KEY,
    workspace_id UUID NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    -- The first characters, to recognise a key by; the rest is only here as a hash.
    prefix TEXT NOT NULL,
    hash BYTEA NOT NULL UNIQUE,
    scopes JSONB NOT NULL,
    -- The accounts it is limited to; null: all of the workspace.
    accounts JSONB,
    created_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ
);

-- What a developer registered at a provider: many accounts use its secrets and its one webhook address.
CREATE TABLE channel_apps (
    id UUID PRIMARY KEY,
    -- Null: the installation's own, of its configuration; every workspace may use it.
    workspace_id UUID REFERENCES workspaces (id),
    provider TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Sealed: see the store's secrets.
    secrets BYTEA NOT NULL,
    settings JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);
CREATE INDEX channel_apps_of_workspace ON channel_apps (workspace_id, id);
CREATE UNIQUE INDEX channel_apps_default ON channel_apps (provider) WHERE workspace_id IS NULL;

CREATE TABLE accounts (
    id UUID PRIMARY KEY,
    workspace_id UUID NOT NULL REFERENCES workspaces (id),
    channel TEXT NOT NULL,
    name TEXT NOT NULL,
    external_id TEXT,
    -- The app whose secrets it uses beside its own.
    app_id UUID REFERENCES channel_apps (id),
    -- Sealed: see the store's secrets.
    credentials BYTEA NOT NULL,
    settings JSONB NOT NULL,
    -- How its events come: webhook, poll, session or none.
    intake TEXT NOT NULL,
    connection TEXT NOT NULL,
    connection_detail TEXT,
    sending TEXT NOT NULL,
    sending_reason TEXT,
    sending_until TIMESTAMPTZ,
    -- A list of what holds part of its sending back: reach, rule, until, since, detail.
    holds JSONB NOT NULL,
    -- Account or provider errors since the last call that went well.
    failures_in_a_row BIGINT NOT NULL,
    -- How often in a row its provider stopped it: it was tried each time the stop was over.
    stops_in_a_row BIGINT NOT NULL,
    timezone TEXT NOT NULL,
    -- What its rules say otherwise than its channel's profile.
    pacing JSONB NOT NULL,
    pace_scale DOUBLE PRECISION NOT NULL,
    redelivery TEXT NOT NULL,
    first_connected_at TIMESTAMPTZ,
    -- When its number was registered at the provider, if a person says so.
    registered_at TIMESTAMPTZ,
    -- Campaigns before then do not count for the response rate: a person let them go on.
    campaigns_resumed_at TIMESTAMPTZ,
    -- When its credentials are to be renewed, and how often in a row that failed; null: they last.
    refresh_at TIMESTAMPTZ,
    refresh_failures BIGINT NOT NULL,
    -- The worker that alone works for it, by its own configuration; it stays when that one is gone. Null: any.
    pinned_to UUID,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX accounts_external ON accounts (workspace_id, channel, external_id) WHERE deleted_at IS NULL;
CREATE INDEX accounts_of_app ON accounts (app_id, channel, external_id) WHERE app_id IS NOT NULL;
CREATE INDEX accounts_to_refresh ON accounts (refresh_at) WHERE refresh_at IS NOT NULL;
CREATE INDEX accounts_pinned ON accounts (pinned_to) WHERE pinned_to IS NOT NULL;

-- Connecting on a page of a provider: begun here, and when the person came back, for a while, what they may connect.
CREATE TABLE oauth_logins (
    id UUID PRIMARY KEY,
    workspace_id UUID NOT NULL REFERENCES workspaces (id),
    channel TEXT NOT NULL,
    app_id UUID NOT NULL REFERENCES channel_apps (id),
    -- Who began it: nobody else may go on.
    actor TEXT NOT NULL,
    -- What the provider gives back unchanged is only here as a hash, and is good for one return.
    state_hash BYTEA NOT NULL UNIQUE,
    settings JSONB NOT NULL,
    -- Sealed: see the store's secrets.
    candidates BYTEA,
    error TEXT,
    returned_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX oauth_logins_age ON oauth_logins (expires_at);

CREATE TABLE contacts (
    id UUID PRIMARY KEY,
    workspace_id UUID NOT NULL REFERENCES workspaces (id),
    name TEXT,
    phone TEXT,
    attributes JSONB NOT NULL,
    -- IANA name; null: the account's.
    timezone TEXT,
    opted_out_at TIMESTAMPTZ,
    merged_into UUID REFERENCES contacts (id),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX contacts_of_workspace ON contacts (workspace_id, id);

CREATE TABLE contact_identities (
    account_id UUID NOT NULL REFERENCES accounts (id),
    address TEXT NOT NULL,
    workspace_id UUID NOT NULL REFERENCES workspaces (id),
    contact_id UUID NOT NULL REFERENCES contacts (id),
    channel TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, address)
);
CREATE INDEX contact_identities_of_contact ON contact_identities (contact_id);

CREATE TABLE conversations (
    id UUID PRIMARY KEY,
    workspace_id UUID NOT NULL REFERENCES workspaces (id),
    account_id UUID NOT NULL REFERENCES accounts (id),
    contact_id UUID REFERENCES contacts (id),
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    -- The chat's new id at the provider, where another conversation has it for an address.
    moved_to TEXT,
    title TEXT,
    -- The number of the newest message that was queued: the order that lanes keep.
    next_seq BIGINT NOT NULL,
    unread_count BIGINT NOT NULL,
    last_message_id UUID,
    last_message_at TIMESTAMPTZ,
    last_inbound_at TIMESTAMPTZ,
    first_inbound_at TIMESTAMPTZ,
    -- When the first call for it began, whatever became of it.
    first_sent_at TIMESTAMPTZ,
    -- When the provider took the first one: until then, or until it wrote, the chat is a new contact.
    first_taken_at TIMESTAMPTZ,
    assignee TEXT,
    status TEXT NOT NULL,
    held_until TIMESTAMPTZ,
    held_rule TEXT,
    -- The contact takes nothing from the account since then, unless it lifted that later or wrote.
    blocked_at TIMESTAMPTZ,
    unblocked_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (account_id, address)
);
CREATE INDEX conversations_of_workspace ON conversations (workspace_id, last_message_at, id);

CREATE TABLE inbound_events (
    id UUID PRIMARY KEY,
    -- Null: nobody's; kept and counted.
    account_id UUID REFERENCES accounts (id),
    channel TEXT NOT NULL,
    dedupe_key TEXT NOT NULL,
    payload JSONB NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    processed_at TIMESTAMPTZ,
    -- Why it could not be read; such an event is not tried again.
    error TEXT,
    UNIQUE (account_id, dedupe_key)
);
CREATE UNIQUE INDEX inbound_events_unrouted ON inbound_events (channel, dedupe_key) WHERE account_id IS NULL;
CREATE INDEX inbound_events_unprocessed ON inbound_events (account_id, id) WHERE processed_at IS NULL;

CREATE TABLE messages (
    id UUID PRIMARY KEY,
    -- Its conversation's: no keys of their own, since checking one locks a row that all of them share.
    workspace_id UUID NOT NULL,
    account_id UUID NOT NULL,
    conversation_id UUID NOT NULL REFERENCES conversations (id),
    contact_id UUID REFERENCES contacts (id),
    direction TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    purpose TEXT NOT NULL,
    class TEXT NOT NULL,
    seq BIGINT,
    origin TEXT NOT NULL,
    actor TEXT NOT NULL,
    client_id TEXT,
    sender TEXT,
    content JSONB NOT NULL,
    -- Of a campaign's words: the first 8 bytes of their SHA-256; null where there are none.
    text_hash BYTEA,
    thread TEXT,
    reply_to UUID,
    provider_id TEXT,
    inbound_event_id UUID,
    -- Attempts up to this number do not count as failures any more: a person asked for another try.
    forgiven BIGINT NOT NULL,
    -- Rises when its content changes before it was sent: a call starts only with the content as it is.
    revision BIGINT NOT NULL,
    send_at TIMESTAMPTZ,
    queued_at TIMESTAMPTZ,
    next_attempt_at TIMESTAMPTZ,
    sent_at TIMESTAMPTZ,
    delivered_at TIMESTAMPTZ,
    read_at TIMESTAMPTZ,
    provider_at TIMESTAMPTZ,
    edited_at TIMESTAMPTZ,
    deleted_at TIMESTAMPTZ,
    -- A list: an entry for everybody who ever reacted, with the emoji they left and when; null is none.
    reactions JSONB,
    -- Where it stands in its conversation: the provider's time of what came in, the time of acceptance of what goes out.
    shown_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX messages_provider_id ON messages (conversation_id, provider_id) WHERE provider_id IS NOT NULL;
CREATE INDEX messages_shown ON messages (conversation_id, shown_at, id);
CREATE INDEX messages_of_workspace ON messages (workspace_id, id);
CREATE INDEX messages_of_account ON messages (account_id, id);
-- What is still to be done, for the look at earlier ones, the sweep and recovery.
CREATE INDEX messages_unfinished ON messages (conversation_id, class, seq) WHERE status IN ('queued', 'sending');
CREATE INDEX messages_unfinished_by_class ON messages (class, id) WHERE status IN ('queued', 'sending');
CREATE INDEX messages_unfinished_of_account ON messages (account_id, class, queued_at, id) WHERE status IN ('queued', 'sending');
-- The campaign messages that say the same, for the rule about identical texts.
CREATE INDEX messages_queued_texts ON messages (account_id, text_hash, id) WHERE status = 'queued' AND text_hash IS NOT NULL;
CREATE INDEX messages_scheduled ON messages (send_at) WHERE status = 'scheduled';

-- What is done to a message after it was sent: it travels in its conversation's order, as messages do.
CREATE TABLE actions (
    id UUID PRIMARY KEY,
    workspace_id UUID NOT NULL REFERENCES workspaces (id),
    account_id UUID NOT NULL REFERENCES accounts (id),
    conversation_id UUID NOT NULL REFERENCES conversations (id),
    message_id UUID NOT NULL REFERENCES messages (id),
    -- edit, delete, reaction; with the new content, or the emoji (null takes it back).
    kind TEXT NOT NULL,
    content JSONB,
    emoji TEXT,
    status TEXT NOT NULL,
    reason TEXT,
    class TEXT NOT NULL,
    -- Null: the message had not been sent yet and was changed in its place.
    seq BIGINT,
    actor TEXT NOT NULL,
    queued_at TIMESTAMPTZ,
    next_attempt_at TIMESTAMPTZ,
    done_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX actions_of_message ON actions (message_id, id);
CREATE INDEX actions_unfinished ON actions (conversation_id, class, seq) WHERE status IN ('queued', 'sending');
CREATE INDEX actions_unfinished_by_class ON actions (class, id) WHERE status IN ('queued', 'sending');
CREATE INDEX actions_unfinished_of_account ON actions (account_id, class, queued_at, id) WHERE status IN ('queued', 'sending');

CREATE TABLE attempts (
    id UUID PRIMARY KEY,
    -- What is called for: a message, or an action on one.
    subject_id UUID NOT NULL,
    n BIGINT NOT NULL,
    -- Its conversation's: no keys of their own, since checking one locks a row that all of them share.
    workspace_id UUID NOT NULL,
    account_id UUID NOT NULL,
    conversation_id UUID NOT NULL REFERENCES conversations (id),
    worker UUID NOT NULL,
    pace TEXT NOT NULL,
    purpose TEXT NOT NULL,
    -- Whether its chat was a new contact until then.
    is_new BOOLEAN NOT NULL,
    -- As in messages.
    text_hash BYTEA,
    granted_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ,
    -- accepted, refused, retry, ambiguous, lost; null while nobody knows.
    outcome TEXT,
    error_code TEXT,
    error TEXT,
    provider_id TEXT,
    -- The waits that came before it.
    waits JSONB NOT NULL,
    UNIQUE (subject_id, n)
-- Each is written twice: room for its outcome, where nothing that an index knows changes.
) WITH (fillfactor = 70);
CREATE INDEX attempts_of_account ON attempts (account_id, started_at);
CREATE INDEX attempts_of_campaigns ON attempts (account_id, started_at, conversation_id) WHERE purpose = 'campaign';

-- Files of messages; the bytes lie in the place of media files, under workspace and id.
CREATE TABLE media (
    id UUID PRIMARY KEY,
    workspace_id UUID NOT NULL REFERENCES workspaces (id),
    -- pending: still at the provider; stored; failed.
    state TEXT NOT NULL,
    reason TEXT,
    -- By the bytes once stored, as told before.
    mime TEXT,
    name TEXT,
    size BIGINT,
    sha256 BYTEA,
    -- Who received it, with which message, and the provider's handle of it; null for one that was uploaded.
    account_id UUID REFERENCES accounts (id),
    message_id UUID REFERENCES messages (id),
    provider_ref TEXT,
    -- Tries that were begun.
    tries BIGINT NOT NULL,
    next_try_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    stored_at TIMESTAMPTZ
);
CREATE INDEX media_pending ON media (id) WHERE state = 'pending';
CREATE INDEX media_of_message ON media (message_id) WHERE message_id IS NOT NULL;

-- Texts that messages are made of.
CREATE TABLE templates (
    id UUID PRIMARY KEY,
    workspace_id UUID NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    -- What is said instead on a channel, by its name.
    variants JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (workspace_id, name)
);
CREATE INDEX templates_of_workspace ON templates (workspace_id, id);

CREATE TABLE receipts (
    account_id UUID NOT NULL REFERENCES accounts (id),
    chat TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    error TEXT,
    PRIMARY KEY (account_id, provider_id, chat, kind)
);

-- What was told of a message that is not known yet, by the provider's id of it: applied when it comes.
CREATE TABLE parked_changes (
    account_id UUID NOT NULL REFERENCES accounts (id),
    chat TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    -- edited, deleted, reacted.
    kind TEXT NOT NULL,
    -- Who reacted; empty for the rest.
    sender TEXT NOT NULL,
    data JSONB NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    parked_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, provider_id, chat, kind, sender)
);
CREATE INDEX parked_changes_age ON parked_changes (parked_at);

CREATE TABLE events (
    -- The order of writing. The one number that the database makes: the program's clocks cannot order what two
    -- processes did to one message, the database that carried out both can.
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id UUID NOT NULL,
    -- No key of its own, since checking it locks a row that all events share.
    workspace_id UUID NOT NULL,
    -- Given by the relay alone; null until then.
    seq BIGINT,
    kind TEXT NOT NULL,
    account_id UUID,
    conversation_id UUID,
    message_id UUID,
    actor TEXT NOT NULL,
    client_id TEXT,
    connection TEXT,
    data JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX events_numbered ON events (workspace_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX events_unnumbered ON events (workspace_id, n) WHERE seq IS NULL;
CREATE INDEX events_of_message ON events (message_id) WHERE message_id IS NOT NULL;

-- The newest number of a workspace's events, where it has one.
CREATE TABLE event_counters (
    workspace_id UUID PRIMARY KEY REFERENCES workspaces (id),
    last BIGINT NOT NULL
);

CREATE TABLE idempotency_keys (
    workspace_id UUID NOT NULL REFERENCES workspaces (id),
    key TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    status BIGINT NOT NULL,
    answer JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (workspace_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE dead_jobs (
    job TEXT PRIMARY KEY,
    workspace_id UUID,
    queue TEXT NOT NULL,
    lane TEXT NOT NULL,
    reason TEXT NOT NULL,
    died_at TIMESTAMPTZ NOT NULL
);

-- Jobs whose worker died while it had them: three such deaths and the job is dead.
CREATE TABLE job_losses (
    job TEXT PRIMARY KEY,
    losses BIGINT NOT NULL,
    -- The queue's own count at the last one: the same number again is the same loss.
    noted BIGINT NOT NULL,
    last_at TIMESTAMPTZ NOT NULL
);

-- Things that one process at a time may do, by the database's clock.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner UUID NOT NULL,
    generation BIGINT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

-- Who asks for an account's events or keeps its session: one worker at a time, by this database's clock. The row stays
-- when nobody does: its generation must rise with the next owner.
CREATE TABLE owners (
    account_id UUID PRIMARY KEY REFERENCES accounts (id),
    -- Null: nobody.
    worker UUID,
    generation BIGINT NOT NULL,
    since TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    -- Where to go on asking: everything before it is committed.
    cursor TEXT,
    -- Why events do not come at the moment.
    error TEXT,
    -- What a person has to do with their phone so that a session begins: kind, code, expires_at.
    step JSONB
);
CREATE INDEX owners_of_worker ON owners (worker);

-- The workers that may own accounts, each until a time: among them accounts are spread evenly.
CREATE TABLE workers (
    id UUID PRIMARY KEY,
    expires_at TIMESTAMPTZ NOT NULL,
    -- Whether it owns pinned accounts alone.
    only_pinned BOOLEAN NOT NULL
);

-- Queues that an operator paused.
CREATE TABLE queue_pauses (
    queue TEXT PRIMARY KEY,
    paused_at TIMESTAMPTZ NOT NULL
);

-- One row: the queue's epoch. It rises with every recovery; a queue that shows another one is stale.
CREATE TABLE queue_epoch (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL
);

CREATE TABLE audit_log (
    id UUID PRIMARY KEY,
    workspace_id UUID NOT NULL REFERENCES workspaces (id),
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX audit_log_of_workspace ON audit_log (workspace_id, id);
CREATE INDEX audit_log_of_subject ON audit_log (workspace_id, subject, id);
