-- Rookery's tables. Postgres and SQLite differ in type names only; a test compares the two.
-- Ids are made by the program (UUIDv7), times are bound by it: no default of the database decides anything.

CREATE TABLE workspaces (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    -- The first characters, to recognise a key by; the rest is only here as a hash.
    prefix TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    -- The accounts it is limited to; null: all of the workspace.
    accounts TEXT,
    created_at TEXT NOT NULL,
    revoked_at TEXT
) STRICT;

-- What a developer registered at a provider: many accounts use its secrets and its one webhook address.
CREATE TABLE channel_apps (
    id BLOB PRIMARY KEY,
    -- Null: the installation's own, of its configuration; every workspace may use it.
    workspace_id BLOB REFERENCES workspaces (id),
    provider TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Sealed: see the store's secrets.
    secrets BLOB NOT NULL,
    settings TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    deleted_at TEXT
) STRICT;
CREATE INDEX channel_apps_of_workspace ON channel_apps (workspace_id, id);
CREATE UNIQUE INDEX channel_apps_default ON channel_apps (provider) WHERE workspace_id IS NULL;

CREATE TABLE accounts (
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    channel TEXT NOT NULL,
    name TEXT NOT NULL,
    external_id TEXT,
    -- The app whose secrets it uses beside its own.
    app_id BLOB REFERENCES channel_apps (id),
    -- Sealed: see the store's secrets.
    credentials BLOB NOT NULL,
    settings TEXT NOT NULL,
    -- How its events come: webhook, poll, session or none.
    intake TEXT NOT NULL,
    connection TEXT NOT NULL,
    connection_detail TEXT,
    sending TEXT NOT NULL,
    sending_reason TEXT,
    sending_until TEXT,
    -- A list of what holds part of its sending back: reach, rule, until, since, detail.
    holds TEXT NOT NULL,
    -- Account or provider errors since the last call that went well.
    failures_in_a_row INTEGER NOT NULL,
    -- How often in a row its provider stopped it: it was tried each time the stop was over.
    stops_in_a_row INTEGER NOT NULL,
    timezone TEXT NOT NULL,
    -- What its rules say otherwise than its channel's profile.
    pacing TEXT NOT NULL,
    pace_scale REAL NOT NULL,
    redelivery TEXT NOT NULL,
    first_connected_at TEXT,
    -- When its number was registered at the provider, if a person says so.
    registered_at TEXT,
    -- Campaigns before then do not count for the response rate: a person let them go on.
    campaigns_resumed_at TEXT,
    -- When its credentials are to be renewed, and how often in a row that failed; null: they last.
    refresh_at TEXT,
    refresh_failures INTEGER NOT NULL,
    -- The worker that alone works for it, by its own configuration; it stays when that one is gone. Null: any.
    pinned_to BLOB,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    deleted_at TEXT
) STRICT;
CREATE UNIQUE INDEX accounts_external ON accounts (workspace_id, channel, external_id) WHERE deleted_at IS NULL;
CREATE INDEX accounts_of_app ON accounts (app_id, channel, external_id) WHERE app_id IS NOT NULL;
CREATE INDEX accounts_to_refresh ON accounts (refresh_at) WHERE refresh_at IS NOT NULL;
CREATE INDEX accounts_pinned ON accounts (pinned_to) WHERE pinned_to IS NOT NULL;

-- Connecting on a page of a provider: begun here, and when the person came back, for a while, what they may connect.
CREATE TABLE oauth_logins (
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    channel TEXT NOT NULL,
    app_id BLOB NOT NULL REFERENCES channel_apps (id),
    -- Who began it: nobody else may go on.
    actor TEXT NOT NULL,
    -- What the provider gives back unchanged is only here as a hash, and is good for one return.
    state_hash BLOB NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    -- Sealed: see the store's secrets.
    candidates BLOB,
    error TEXT,
    returned_at TEXT,
    expires_at TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX oauth_logins_age ON oauth_logins (expires_at);

CREATE TABLE contacts (
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    name TEXT,
    phone TEXT,
    attributes TEXT NOT NULL,
    -- IANA name; null: the account's.
    timezone TEXT,
    opted_out_at TEXT,
    merged_into BLOB REFERENCES contacts (id),
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX contacts_of_workspace ON contacts (workspace_id, id);

CREATE TABLE contact_identities (
    account_id BLOB NOT NULL REFERENCES accounts (id),
    address TEXT NOT NULL,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    contact_id BLOB NOT NULL REFERENCES contacts (id),
    channel TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (account_id, address)
) STRICT;
CREATE INDEX contact_identities_of_contact ON contact_identities (contact_id);

CREATE TABLE conversations (
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    account_id BLOB NOT NULL REFERENCES accounts (id),
    contact_id BLOB REFERENCES contacts (id),
    kind TEXT NOT NULL,
    address TEXT NOT NULL,
    -- The chat's new id at the provider, where another conversation has it for an address.
    moved_to TEXT,
    title TEXT,
    -- The number of the newest message that was queued: the order that lanes keep.
    next_seq INTEGER NOT NULL,
    unread_count INTEGER NOT NULL,
    last_message_id BLOB,
    last_message_at TEXT,
    last_inbound_at TEXT,
    first_inbound_at TEXT,
    -- When the first call for it began, whatever became of it.
    first_sent_at TEXT,
    -- When the provider took the first one: until then, or until it wrote, the chat is a new contact.
    first_taken_at TEXT,
    assignee TEXT,
    status TEXT NOT NULL,
    held_until TEXT,
    held_rule TEXT,
    -- The contact takes nothing from the account since then, unless it lifted that later or wrote.
    blocked_at TEXT,
    unblocked_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (account_id, address)
) STRICT;
CREATE INDEX conversations_of_workspace ON conversations (workspace_id, last_message_at, id);

CREATE TABLE inbound_events (
    id BLOB PRIMARY KEY,
    -- Null: nobody's; kept and counted.
    account_id BLOB REFERENCES accounts (id),
    channel TEXT NOT NULL,
    dedupe_key TEXT NOT NULL,
    payload TEXT NOT NULL,
    received_at TEXT NOT NULL,
    processed_at TEXT,
    -- Why it could not be read; such an event is not tried again.
    error TEXT,
    UNIQUE (account_id, dedupe_key)
) STRICT;
CREATE UNIQUE INDEX inbound_events_unrouted ON inbound_events (channel, dedupe_key) WHERE account_id IS NULL;
CREATE INDEX inbound_events_unprocessed ON inbound_events (account_id, id) WHERE processed_at IS NULL;

CREATE TABLE messages (
    id BLOB PRIMARY KEY,
    -- Its conversation's: no keys of their own, since checking one locks a row that all of them share.
    workspace_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    conversation_id BLOB NOT NULL REFERENCES conversations (id),
    contact_id BLOB REFERENCES contacts (id),
    direction TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    purpose TEXT NOT NULL,
    class TEXT NOT NULL,
    seq INTEGER,
    origin TEXT NOT NULL,
    actor TEXT NOT NULL,
    client_id TEXT,
    sender TEXT,
    content TEXT NOT NULL,
    -- Of a campaign's words: the first 8 bytes of their SHA-256; null where there are none.
    text_hash BLOB,
    thread TEXT,
    reply_to BLOB,
    provider_id TEXT,
    inbound_event_id BLOB,
    -- Attempts up to this number do not count as failures any more: a person asked for another try.
    forgiven INTEGER NOT NULL,
    -- Rises when its content changes before it was sent: a call starts only with the content as it is.
    revision INTEGER NOT NULL,
    send_at TEXT,
    queued_at TEXT,
    next_attempt_at TEXT,
    sent_at TEXT,
    delivered_at TEXT,
    read_at TEXT,
    provider_at TEXT,
    edited_at TEXT,
    deleted_at TEXT,
    -- A list: an entry for everybody who ever reacted, with the emoji they left and when; null is none.
    reactions TEXT,
    -- Where it stands in its conversation: the provider's time of what came in, the time of acceptance of what goes out.
    shown_at TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
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
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    account_id BLOB NOT NULL REFERENCES accounts (id),
    conversation_id BLOB NOT NULL REFERENCES conversations (id),
    message_id BLOB NOT NULL REFERENCES messages (id),
    -- edit, delete, reaction; with the new content, or the emoji (null takes it back).
    kind TEXT NOT NULL,
    content TEXT,
    emoji TEXT,
    status TEXT NOT NULL,
    reason TEXT,
    class TEXT NOT NULL,
    -- Null: the message had not been sent yet and was changed in its place.
    seq INTEGER,
    actor TEXT NOT NULL,
    queued_at TEXT,
    next_attempt_at TEXT,
    done_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX actions_of_message ON actions (message_id, id);
CREATE INDEX actions_unfinished ON actions (conversation_id, class, seq) WHERE status IN ('queued', 'sending');
CREATE INDEX actions_unfinished_by_class ON actions (class, id) WHERE status IN ('queued', 'sending');
CREATE INDEX actions_unfinished_of_account ON actions (account_id, class, queued_at, id) WHERE status IN ('queued', 'sending');

CREATE TABLE attempts (
    id BLOB PRIMARY KEY,
    -- What is called for: a message, or an action on one.
    subject_id BLOB NOT NULL,
    n INTEGER NOT NULL,
    -- Its conversation's: no keys of their own, since checking one locks a row that all of them share.
    workspace_id BLOB NOT NULL,
    account_id BLOB NOT NULL,
    conversation_id BLOB NOT NULL REFERENCES conversations (id),
    worker BLOB NOT NULL,
    pace TEXT NOT NULL,
    purpose TEXT NOT NULL,
    -- Whether its chat was a new contact until then.
    is_new INTEGER NOT NULL,
    -- As in messages.
    text_hash BLOB,
    granted_at TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    -- accepted, refused, retry, ambiguous, lost; null while nobody knows.
    outcome TEXT,
    error_code TEXT,
    error TEXT,
    provider_id TEXT,
    -- The waits that came before it.
    waits TEXT NOT NULL,
    UNIQUE (subject_id, n)
) STRICT;
CREATE INDEX attempts_of_account ON attempts (account_id, started_at);
CREATE INDEX attempts_of_campaigns ON attempts (account_id, started_at, conversation_id) WHERE purpose = 'campaign';

-- Files of messages; the bytes lie in the place of media files, under workspace and id.
CREATE TABLE media (
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    -- pending: still at the provider; stored; failed.
    state TEXT NOT NULL,
    reason TEXT,
    -- By the bytes once stored, as told before.
    mime TEXT,
    name TEXT,
    size INTEGER,
    sha256 BLOB,
    -- Who received it, with which message, and the provider's handle of it; null for one that was uploaded.
    account_id BLOB REFERENCES accounts (id),
    message_id BLOB REFERENCES messages (id),
    provider_ref TEXT,
    -- Tries that were begun.
    tries INTEGER NOT NULL,
    next_try_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    stored_at TEXT
) STRICT;
CREATE INDEX media_pending ON media (id) WHERE state = 'pending';
CREATE INDEX media_of_message ON media (message_id) WHERE message_id IS NOT NULL;

-- Texts that messages are made of.
CREATE TABLE templates (
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    -- What is said instead on a channel, by its name.
    variants TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (workspace_id, name)
) STRICT;
CREATE INDEX templates_of_workspace ON templates (workspace_id, id);

CREATE TABLE receipts (
    account_id BLOB NOT NULL REFERENCES accounts (id),
    chat TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    error TEXT,
    PRIMARY KEY (account_id, provider_id, chat, kind)
) STRICT;

-- What was told of a message that is not known yet, by the provider's id of it: applied when it comes.
CREATE TABLE parked_changes (
    account_id BLOB NOT NULL REFERENCES accounts (id),
    chat TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    -- edited, deleted, reacted.
    kind TEXT NOT NULL,
    -- Who reacted; empty for the rest.
    sender TEXT NOT NULL,
    data TEXT NOT NULL,
    at TEXT NOT NULL,
    parked_at TEXT NOT NULL,
    PRIMARY KEY (account_id, provider_id, chat, kind, sender)
) STRICT;
CREATE INDEX parked_changes_age ON parked_changes (parked_at);

CREATE TABLE events (
    -- The order of writing. The one number that the database makes: the program's clocks cannot order what two
    -- processes did to one message, the database that carried out both can.
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    -- No key of its own, since checking it locks a row that all events share.
    workspace_id BLOB NOT NULL,
    -- Given by the relay alone; null until then.
    seq INTEGER,
    kind TEXT NOT NULL,
    account_id BLOB,
    conversation_id BLOB,
    message_id BLOB,
    actor TEXT NOT NULL,
    client_id TEXT,
    connection TEXT,
    data TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_numbered ON events (workspace_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX events_unnumbered ON events (workspace_id, n) WHERE seq IS NULL;
CREATE INDEX events_of_message ON events (message_id) WHERE message_id IS NOT NULL;

-- The newest number of a workspace's events, where it has one.
CREATE TABLE event_counters (
    workspace_id BLOB PRIMARY KEY NOT NULL REFERENCES workspaces (id),
    last INTEGER NOT NULL
) STRICT;

CREATE TABLE idempotency_keys (
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    key TEXT NOT NULL,
    request_hash BLOB NOT NULL,
    status INTEGER NOT NULL,
    answer TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (workspace_id, key)
) STRICT;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE dead_jobs (
    job TEXT PRIMARY KEY,
    workspace_id BLOB,
    queue TEXT NOT NULL,
    lane TEXT NOT NULL,
    reason TEXT NOT NULL,
    died_at TEXT NOT NULL
) STRICT;

-- Jobs whose worker died while it had them: three such deaths and the job is dead.
CREATE TABLE job_losses (
    job TEXT PRIMARY KEY,
    losses INTEGER NOT NULL,
    -- The queue's own count at the last one: the same number again is the same loss.
    noted INTEGER NOT NULL,
    last_at TEXT NOT NULL
) STRICT;

-- Things that one process at a time may do, by the database's clock.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner BLOB NOT NULL,
    generation INTEGER NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;

-- Who asks for an account's events or keeps its session: one worker at a time, by this database's clock. The row stays
-- when nobody does: its generation must rise with the next owner.
CREATE TABLE owners (
    account_id BLOB PRIMARY KEY REFERENCES accounts (id),
    -- Null: nobody.
    worker BLOB,
    generation INTEGER NOT NULL,
    since TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    -- Where to go on asking: everything before it is committed.
    cursor TEXT,
    -- Why events do not come at the moment.
    error TEXT,
    -- What a person has to do with their phone so that a session begins: kind, code, expires_at.
    step TEXT
) STRICT;
CREATE INDEX owners_of_worker ON owners (worker);

-- The workers that may own accounts, each until a time: among them accounts are spread evenly.
CREATE TABLE workers (
    id BLOB PRIMARY KEY,
    expires_at TEXT NOT NULL,
    -- Whether it owns pinned accounts alone.
    only_pinned INTEGER NOT NULL
) STRICT;

-- Queues that an operator paused.
CREATE TABLE queue_pauses (
    queue TEXT PRIMARY KEY,
    paused_at TEXT NOT NULL
) STRICT;

-- One row: the queue's epoch. It rises with every recovery; a queue that shows another one is stale.
CREATE TABLE queue_epoch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL
) STRICT;

CREATE TABLE audit_log (
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX audit_log_of_workspace ON audit_log (workspace_id, id);
CREATE INDEX audit_log_of_subject ON audit_log (workspace_id, subject, id);
