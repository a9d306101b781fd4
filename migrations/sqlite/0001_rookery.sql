-- Rookery's tables. Postgres and SQLite differ in type names only; a test compares the two.
-- Ids are made by the program (UUIDv7), times are bound by it: no default of the database decides anything.

CREATE TABLE workspaces (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    next_event_seq INTEGER NOT NULL,
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

CREATE TABLE accounts (
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    channel TEXT NOT NULL,
    name TEXT NOT NULL,
    external_id TEXT,
    -- Sealed: see the store's secrets.
    credentials BLOB NOT NULL,
    settings TEXT NOT NULL,
    connection TEXT NOT NULL,
    connection_detail TEXT,
    sending TEXT NOT NULL,
    sending_reason TEXT,
    sending_until TEXT,
    held_until TEXT,
    held_rule TEXT,
    timezone TEXT NOT NULL,
    pace_scale REAL NOT NULL,
    redelivery TEXT NOT NULL,
    first_connected_at TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    deleted_at TEXT
) STRICT;
CREATE UNIQUE INDEX accounts_external ON accounts (workspace_id, channel, external_id) WHERE deleted_at IS NULL;

CREATE TABLE contacts (
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    name TEXT,
    phone TEXT,
    attributes TEXT NOT NULL,
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
    title TEXT,
    -- The number of the newest message that was queued: the order that lanes keep.
    next_seq INTEGER NOT NULL,
    unread_count INTEGER NOT NULL,
    last_message_id BLOB,
    last_message_at TEXT,
    last_inbound_at TEXT,
    assignee TEXT,
    status TEXT NOT NULL,
    held_until TEXT,
    held_rule TEXT,
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
CREATE INDEX inbound_events_unprocessed ON inbound_events (account_id, id) WHERE processed_at IS NULL;

CREATE TABLE messages (
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    account_id BLOB NOT NULL REFERENCES accounts (id),
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
    thread TEXT,
    reply_to BLOB,
    provider_id TEXT,
    inbound_event_id BLOB,
    -- Attempts up to this number do not count as failures any more: a person asked for another try.
    forgiven INTEGER NOT NULL,
    send_at TEXT,
    queued_at TEXT,
    next_attempt_at TEXT,
    sent_at TEXT,
    delivered_at TEXT,
    read_at TEXT,
    provider_at TEXT,
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
CREATE INDEX messages_unfinished_of_account ON messages (account_id, class, id) WHERE status IN ('queued', 'sending');
CREATE INDEX messages_scheduled ON messages (send_at) WHERE status = 'scheduled';

CREATE TABLE attempts (
    id BLOB PRIMARY KEY,
    message_id BLOB NOT NULL REFERENCES messages (id),
    n INTEGER NOT NULL,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
    account_id BLOB NOT NULL REFERENCES accounts (id),
    conversation_id BLOB NOT NULL REFERENCES conversations (id),
    worker BLOB NOT NULL,
    pace TEXT NOT NULL,
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
    UNIQUE (message_id, n)
) STRICT;
CREATE INDEX attempts_of_account ON attempts (account_id, started_at);

CREATE TABLE receipts (
    account_id BLOB NOT NULL REFERENCES accounts (id),
    chat TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    error TEXT,
    PRIMARY KEY (account_id, provider_id, chat, kind)
) STRICT;

CREATE TABLE events (
    id BLOB PRIMARY KEY,
    workspace_id BLOB NOT NULL REFERENCES workspaces (id),
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
    created_at TEXT NOT NULL,
    UNIQUE (workspace_id, seq)
) STRICT;
CREATE INDEX events_unnumbered ON events (workspace_id, id) WHERE seq IS NULL;
CREATE INDEX events_of_message ON events (message_id) WHERE message_id IS NOT NULL;

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
    last_at TEXT NOT NULL
) STRICT;

-- Things that one process at a time may do, by the database's clock.
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner BLOB NOT NULL,
    generation INTEGER NOT NULL,
    expires_at TEXT NOT NULL
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
