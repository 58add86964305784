-- The embedded message store. Every statement may be run again: a new version adds tables and indexes,
-- so that running the whole script brings an older file up to date. Statements end with a semicolon; comments hold none.
-- Times are ms UTC, 0 or '' means unknown. `body` is JSON: what is written once and read whole.
-- Columns that an older file lacks, and the indexes by age, are added by sqlite_upgrade.py.
-- Tables are clustered by the key that they are asked by (WITHOUT ROWID), so one write is one b-tree.

CREATE TABLE IF NOT EXISTS users (
    user_id TEXT PRIMARY KEY,
    body    TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS identities (
    channel       TEXT NOT NULL,
    address       TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    since         INTEGER NOT NULL,
    verified      INTEGER NOT NULL,
    last_wrote_at INTEGER NOT NULL,
    PRIMARY KEY (channel, address)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS identities_of_user ON identities (user_id, channel, since, address);

-- When an address last wrote to an account (the provider's id of it): the account may write back for a while after that.
CREATE TABLE IF NOT EXISTS windows (
    channel  TEXT NOT NULL,
    address  TEXT NOT NULL,
    account  TEXT NOT NULL,
    wrote_at INTEGER NOT NULL,
    PRIMARY KEY (channel, address, account)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS verifications (
    user_id    TEXT NOT NULL,
    channel    TEXT NOT NULL,
    address    TEXT NOT NULL,
    code_hash  TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    tries_left INTEGER NOT NULL,
    PRIMARY KEY (user_id, channel, address)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS verifications_by_age ON verifications (expires_at);

-- A membership is read whole and changes rarely, so it is one value: `members` is a JSON list.
CREATE TABLE IF NOT EXISTS conversations (
    conversation_id TEXT PRIMARY KEY,
    version         INTEGER NOT NULL,
    body            TEXT NOT NULL,
    members         TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS conversations_of_user (
    user_id         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    PRIMARY KEY (user_id, conversation_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS links (
    channel         TEXT NOT NULL,
    address         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    PRIMARY KEY (channel, address)
) WITHOUT ROWID;

-- `conversation_id` holds an `Arrived` as text: conversation, message id and sender; rows of older code the first only.
CREATE TABLE IF NOT EXISTS inbound (
    channel         TEXT NOT NULL,
    account         TEXT NOT NULL,
    provider_id     TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    at              INTEGER NOT NULL,
    PRIMARY KEY (channel, account, provider_id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS inbound_by_age ON inbound (at);

CREATE TABLE IF NOT EXISTS last_conversations (
    channel         TEXT NOT NULL,
    address         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    at              INTEGER NOT NULL,
    PRIMARY KEY (channel, address)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS message_ids (
    message_id      TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    digest          TEXT NOT NULL,
    at              INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (message_id, conversation_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS messages (
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    body            TEXT NOT NULL,
    PRIMARY KEY (conversation_id, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS watermarks (
    conversation_id TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    delivered_up_to INTEGER NOT NULL,
    delivered_at    INTEGER NOT NULL,
    read_up_to      INTEGER NOT NULL,
    read_at         INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS deliveries (
    channel        TEXT NOT NULL,
    partition      INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    idx            INTEGER NOT NULL,
    body           TEXT NOT NULL,
    attempts       INTEGER NOT NULL DEFAULT 0,
    attempted_at   INTEGER NOT NULL DEFAULT 0,
    refusals       INTEGER NOT NULL DEFAULT 0,
    resends        INTEGER NOT NULL DEFAULT 0,
    sent_at        INTEGER NOT NULL DEFAULT 0,
    provider_id    TEXT NOT NULL DEFAULT '',
    refused_at     INTEGER NOT NULL DEFAULT 0,
    refused_reason TEXT NOT NULL DEFAULT '',
    failed_at      INTEGER NOT NULL DEFAULT 0,
    failed_reason  TEXT NOT NULL DEFAULT '',
    delivered_at   INTEGER NOT NULL DEFAULT 0,
    read_at        INTEGER NOT NULL DEFAULT 0,
    resent_as      INTEGER NOT NULL DEFAULT 0,
    priced_at      INTEGER NOT NULL DEFAULT 0,
    price          TEXT NOT NULL DEFAULT '',
    bounced_at     INTEGER NOT NULL DEFAULT 0,
    bounced_reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (channel, partition, seq, idx)
) WITHOUT ROWID;

-- `delivery` is a DeliveryKey as text.
CREATE TABLE IF NOT EXISTS handles (
    channel     TEXT NOT NULL,
    account     TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    delivery    TEXT NOT NULL,
    at          INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, account, provider_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS parked (
    channel     TEXT NOT NULL,
    account     TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    kind        TEXT NOT NULL,
    at          INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    reference   TEXT NOT NULL,
    parked_at   INTEGER NOT NULL,
    PRIMARY KEY (channel, account, provider_id, kind, at, reason, reference)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS parked_by_age ON parked (parked_at);

CREATE TABLE IF NOT EXISTS lanes (
    channel   TEXT NOT NULL,
    partition INTEGER NOT NULL,
    fanned    INTEGER NOT NULL DEFAULT 0,
    cursor    INTEGER NOT NULL DEFAULT 0,
    holder    TEXT NOT NULL DEFAULT '',
    fence     INTEGER NOT NULL DEFAULT 0,
    beat      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, partition)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS waiting (
    channel         TEXT NOT NULL,
    partition       INTEGER NOT NULL,
    conversation_id TEXT NOT NULL,
    address         TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    idx             INTEGER NOT NULL,
    retry_at        INTEGER NOT NULL,
    refusals        INTEGER NOT NULL,
    stamp           INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, partition, conversation_id, address)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS waiting_by_time ON waiting (channel, partition, retry_at);

-- The keys that wait of accounts that were connected through the API; those of the environment's are in `waiting`.
CREATE TABLE IF NOT EXISTS waiting_by_account (
    channel         TEXT NOT NULL,
    partition       INTEGER NOT NULL,
    account         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    address         TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    idx             INTEGER NOT NULL,
    retry_at        INTEGER NOT NULL,
    refusals        INTEGER NOT NULL,
    stamp           INTEGER NOT NULL,
    PRIMARY KEY (channel, partition, account, conversation_id, address)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS waiting_by_account_and_time ON waiting_by_account (channel, partition, retry_at);

CREATE TABLE IF NOT EXISTS topics (
    name       TEXT PRIMARY KEY,
    identity   TEXT NOT NULL,
    partitions INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS progress (
    topic     TEXT NOT NULL,
    partition INTEGER NOT NULL,
    done      INTEGER NOT NULL,
    beat      INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

-- One row per try. An excused row stays for a while, so that a late note of its beginning cannot make it count.
CREATE TABLE IF NOT EXISTS tries (
    topic     TEXT NOT NULL,
    partition INTEGER NOT NULL,
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    stage     TEXT NOT NULL,
    run       TEXT NOT NULL,
    excused   INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, first, last, stage, run)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS tries_that_count ON tries (topic, partition, last, first, stage) WHERE excused = 0;
CREATE INDEX IF NOT EXISTS tries_by_age ON tries (excused, at);

CREATE TABLE IF NOT EXISTS dead_letters (
    letter_id TEXT PRIMARY KEY,
    day       TEXT NOT NULL,
    at        INTEGER NOT NULL,
    topic     TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset    INTEGER NOT NULL,
    delivery  TEXT NOT NULL,
    body      TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS dead_letters_by_day ON dead_letters (day, at, letter_id);
CREATE INDEX IF NOT EXISTS dead_letters_of_records ON dead_letters (topic, partition, offset) WHERE delivery = '';

-- Since version 2.
CREATE TABLE IF NOT EXISTS files (
    file_id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    due_at  INTEGER NOT NULL,
    body    TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS files_due ON files (due_at, file_id) WHERE due_at > 0;

CREATE TABLE IF NOT EXISTS objects (
    checksum   TEXT PRIMARY KEY,
    object_key TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS object_holders (
    checksum TEXT NOT NULL,
    holder   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (checksum, holder)
) WITHOUT ROWID;

-- Since version 3. `until` 0: for good.
CREATE TABLE IF NOT EXISTS sessions (
    user_id    TEXT NOT NULL,
    session_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (user_id, session_id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS sessions_by_age ON sessions (expires_at);

CREATE TABLE IF NOT EXISTS generation (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS revocations (
    number INTEGER PRIMARY KEY,
    until  INTEGER NOT NULL,
    body   TEXT NOT NULL
);

CREATE INDEX IF NOT EXISTS revocations_by_age ON revocations (until);

CREATE TABLE IF NOT EXISTS holdings (
    owner  TEXT NOT NULL,
    kind   TEXT NOT NULL,
    thing  TEXT NOT NULL,
    amount INTEGER NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (owner, kind, thing)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS holdings_by_age ON holdings (until) WHERE until > 0;

-- Service clients that are there already are listed.
INSERT INTO holdings
    SELECT '', 'client', user_id, 0, 0 FROM users WHERE json_extract(body, '$.kind') = 'client'
    ON CONFLICT DO NOTHING;

-- Since version 4. What providers sent and we could not read or had no account for, compressed.
CREATE TABLE IF NOT EXISTS letter_bodies (
    letter_id TEXT PRIMARY KEY,
    at        INTEGER NOT NULL,
    body      BLOB NOT NULL
);

CREATE INDEX IF NOT EXISTS letter_bodies_by_age ON letter_bodies (at);

CREATE TABLE IF NOT EXISTS forwards (
    channel  TEXT NOT NULL,
    address  TEXT NOT NULL,
    moved_to TEXT NOT NULL,
    PRIMARY KEY (channel, address)
) WITHOUT ROWID;

-- Since version 5: what was learned when. `day` is `at` in days since 1970.
CREATE TABLE IF NOT EXISTS changes (
    day             INTEGER NOT NULL,
    conversation_id TEXT NOT NULL,
    at              INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    subject         TEXT NOT NULL,
    PRIMARY KEY (day, conversation_id, at, kind, subject)
) WITHOUT ROWID;

-- What was seen of deliveries whose rows are gone, so that no status falls. Written by the trigger: whoever deletes a row keeps it.
CREATE TABLE IF NOT EXISTS outcomes (
    channel        TEXT NOT NULL,
    partition      INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    idx            INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    attempted_at   INTEGER NOT NULL,
    refusals       INTEGER NOT NULL,
    resends        INTEGER NOT NULL,
    sent_at        INTEGER NOT NULL,
    provider_id    TEXT NOT NULL,
    refused_at     INTEGER NOT NULL,
    refused_reason TEXT NOT NULL,
    failed_at      INTEGER NOT NULL,
    failed_reason  TEXT NOT NULL,
    delivered_at   INTEGER NOT NULL,
    read_at        INTEGER NOT NULL,
    resent_as      INTEGER NOT NULL,
    priced_at      INTEGER NOT NULL DEFAULT 0,
    price          TEXT NOT NULL DEFAULT '',
    bounced_at     INTEGER NOT NULL DEFAULT 0,
    bounced_reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (channel, partition, seq, idx)
) WITHOUT ROWID;

-- Anew: that of an older file does not know all columns.
DROP TRIGGER IF EXISTS deliveries_outcome;

CREATE TRIGGER deliveries_outcome BEFORE DELETE ON deliveries BEGIN
    INSERT OR REPLACE INTO outcomes (
        channel, partition, seq, idx, attempts, attempted_at, refusals, resends, sent_at, provider_id, refused_at, refused_reason,
        failed_at, failed_reason, delivered_at, read_at, resent_as, priced_at, price, bounced_at, bounced_reason
    ) VALUES (
        OLD.channel, OLD.partition, OLD.seq, OLD.idx, OLD.attempts, OLD.attempted_at, OLD.refusals, OLD.resends, OLD.sent_at,
        OLD.provider_id, OLD.refused_at, OLD.refused_reason, OLD.failed_at, OLD.failed_reason, OLD.delivered_at, OLD.read_at,
        OLD.resent_as, OLD.priced_at, OLD.price, OLD.bounced_at, OLD.bounced_reason
    );
END;

-- Since version 8: requests that were made under an Idempotency-Key, with their answers.
CREATE TABLE IF NOT EXISTS requests (
    owner TEXT NOT NULL,
    name  TEXT NOT NULL,
    until INTEGER NOT NULL,
    body  TEXT NOT NULL,
    PRIMARY KEY (owner, name)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS requests_by_age ON requests (until);

-- Since version 9: conversations by reader and what was said last, in slots of ten minutes. The reader '' reads all.
CREATE TABLE IF NOT EXISTS activity (
    reader          TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    slot            INTEGER NOT NULL,
    PRIMARY KEY (reader, conversation_id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS activity_by_slot ON activity (reader, slot, conversation_id);

INSERT INTO activity
    SELECT '', conversation_id, coalesce(
        (SELECT json_extract(m.body, '$.accepted_at') FROM messages AS m
         WHERE m.conversation_id = c.conversation_id ORDER BY m.seq DESC LIMIT 1),
        json_extract(c.body, '$.created_at'), 0) / 600000
    FROM conversations AS c WHERE true ON CONFLICT DO NOTHING;

INSERT INTO activity
    SELECT u.user_id, u.conversation_id, a.slot FROM conversations_of_user AS u
    JOIN activity AS a ON a.reader = '' AND a.conversation_id = u.conversation_id
    WHERE true ON CONFLICT DO NOTHING;

-- Since version 10: stays that were over long ago, folded out of `conversations.members`.
CREATE TABLE IF NOT EXISTS past_stays (
    user_id         TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    joined          INTEGER NOT NULL,
    until           INTEGER NOT NULL,
    PRIMARY KEY (user_id, conversation_id, joined)
) WITHOUT ROWID;

-- Since version 11: what providers call the files that they were given.
CREATE TABLE IF NOT EXISTS provider_uploads (
    channel    TEXT NOT NULL,
    account    TEXT NOT NULL,
    object_key TEXT NOT NULL,
    shown_as   TEXT NOT NULL,
    handle     TEXT NOT NULL,
    at         INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    PRIMARY KEY (channel, account, object_key, shown_as)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS provider_uploads_by_age ON provider_uploads (until);

-- Since version 12: reactions, edits and deletions by the message that they are about, the newest of each (kind, sender).
CREATE TABLE IF NOT EXISTS modifications (
    conversation_id TEXT NOT NULL,
    target_seq      INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    sender          TEXT NOT NULL,
    provider_at     INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    at              INTEGER NOT NULL,
    body            TEXT NOT NULL,
    PRIMARY KEY (conversation_id, target_seq, kind, sender)
) WITHOUT ROWID;

-- Since version 13: what providers sent of messages that had no type here, compressed.
CREATE TABLE IF NOT EXISTS raw_parts (
    conversation_id TEXT NOT NULL,
    message_id      TEXT NOT NULL,
    at              INTEGER NOT NULL,
    body            BLOB NOT NULL,
    PRIMARY KEY (conversation_id, message_id)
);

-- Since version 14: deliveries that are not to be sent any more. `delivery` is a DeliveryKey as text.
CREATE TABLE IF NOT EXISTS withdrawals (
    delivery TEXT PRIMARY KEY,
    at       INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    said_by  TEXT NOT NULL
) WITHOUT ROWID;

-- Since version 16: outgoing webhooks, the log of calls to them, what is told once more, and how far messages were told.
CREATE TABLE IF NOT EXISTS webhooks (
    webhook_id TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    deleted    INTEGER NOT NULL,
    body       TEXT NOT NULL
) WITHOUT ROWID;

-- A number that every change of an endpoint raises.
CREATE TABLE IF NOT EXISTS webhook_changes (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS webhook_calls (
    webhook_id TEXT NOT NULL,
    call_id    TEXT NOT NULL,
    at         INTEGER NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (webhook_id, call_id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS webhook_calls_by_age ON webhook_calls (at);

CREATE TABLE IF NOT EXISTS webhook_recoveries (
    partition   INTEGER NOT NULL,
    recovery_id TEXT NOT NULL,
    webhook_id  TEXT NOT NULL,
    position    INTEGER NOT NULL,
    retry_at    INTEGER NOT NULL,
    refusals    INTEGER NOT NULL,
    until       INTEGER NOT NULL,
    PRIMARY KEY (partition, recovery_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS webhook_told (
    partition INTEGER PRIMARY KEY,
    seq       INTEGER NOT NULL
);

-- Since version 18: how conversations are handled, and what is to be done with them later. Lists of conversations are rows of
-- `activity` too: what nobody has touched is open.
CREATE TABLE IF NOT EXISTS handlings (
    conversation_id TEXT PRIMARY KEY,
    version         INTEGER NOT NULL,
    body            TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS handling_due (
    at              INTEGER NOT NULL,
    conversation_id TEXT NOT NULL,
    kind            TEXT NOT NULL,
    version         INTEGER NOT NULL,
    PRIMARY KEY (at, conversation_id, kind, version)
) WITHOUT ROWID;

INSERT INTO activity
    SELECT '~open', conversation_id, slot FROM activity
    WHERE reader = '' AND conversation_id NOT IN (SELECT conversation_id FROM handlings) ON CONFLICT DO NOTHING;

-- Since version 19: connected accounts, and a number that every change of any of them raises.
CREATE TABLE IF NOT EXISTS accounts (
    account_id TEXT PRIMARY KEY,
    body       TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS account_changes (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL
);

-- Since version 20: what providers told and what waits for something to be known, by when it is looked at next.
CREATE TABLE IF NOT EXISTS deferred (
    look_at     INTEGER NOT NULL,
    channel     TEXT NOT NULL,
    account     TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    body        TEXT NOT NULL,
    PRIMARY KEY (look_at, channel, account, provider_id)
) WITHOUT ROWID;

-- What a team keeps about contacts.
CREATE TABLE IF NOT EXISTS contacts (
    user_id TEXT PRIMARY KEY,
    body    TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS contact_tags (
    tag     TEXT NOT NULL,
    user_id TEXT NOT NULL,
    PRIMARY KEY (tag, user_id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS contacts_by_id ON users (user_id) WHERE json_extract(body, '$.kind') = 'contact';

-- Since version 23: replies that a team keeps to send again, and a number that every change of any of them raises.
CREATE TABLE IF NOT EXISTS saved_replies (
    reply_id TEXT PRIMARY KEY,
    body     TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS saved_reply_changes (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS broadcasts (
    broadcast_id TEXT PRIMARY KEY,
    version      INTEGER NOT NULL,
    runs         INTEGER NOT NULL,
    body         TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS broadcasts_running ON broadcasts (runs) WHERE runs = 1;

CREATE TABLE IF NOT EXISTS broadcast_results (
    broadcast_id TEXT NOT NULL,
    contact_id   TEXT NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (broadcast_id, contact_id)
) WITHOUT ROWID;

-- Since version 26: addresses that a broadcast goes to; turns that were put off, in the order of their places.
CREATE TABLE IF NOT EXISTS broadcast_audience (
    broadcast_id TEXT NOT NULL,
    address      TEXT NOT NULL,
    PRIMARY KEY (broadcast_id, address)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS broadcast_later (
    broadcast_id TEXT NOT NULL,
    place        TEXT NOT NULL,
    due_at       INTEGER NOT NULL,
    turn         TEXT NOT NULL,
    PRIMARY KEY (broadcast_id, place)
) WITHOUT ROWID;

-- Since version 27: records that are to be appended later.
CREATE TABLE IF NOT EXISTS deferred_records (
    record_id  TEXT PRIMARY KEY,
    kind       TEXT NOT NULL,
    owner      TEXT NOT NULL,
    due_at     INTEGER NOT NULL,
    is_open    INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    body       TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS deferred_records_due ON deferred_records (kind, due_at, record_id) WHERE is_open = 1;
CREATE INDEX IF NOT EXISTS deferred_records_by_owner ON deferred_records (owner, kind, due_at, record_id) WHERE is_open = 1;
CREATE INDEX IF NOT EXISTS deferred_records_ended ON deferred_records (changed_at) WHERE is_open = 0;

-- Since version 28: when users were last there (ms UTC), and whether they wish that nobody knows.
CREATE TABLE IF NOT EXISTS presences (
    user_id   TEXT PRIMARY KEY,
    last_seen INTEGER NOT NULL DEFAULT 0,
    hidden    INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Since version 31: keys of lanes that are held until a person writes, and those of them that are to be looked at.
CREATE TABLE IF NOT EXISTS held (
    channel         TEXT NOT NULL,
    account         TEXT NOT NULL,
    address         TEXT NOT NULL,
    partition       INTEGER NOT NULL,
    conversation_id TEXT NOT NULL,
    since           INTEGER NOT NULL,
    freed_at        INTEGER NOT NULL,
    stamp           INTEGER NOT NULL,
    PRIMARY KEY (channel, account, address, partition, conversation_id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS openings (
    channel         TEXT NOT NULL,
    account         TEXT NOT NULL,
    address         TEXT NOT NULL,
    partition       INTEGER NOT NULL,
    conversation_id TEXT NOT NULL,
    at              INTEGER NOT NULL,
    PRIMARY KEY (channel, account, address, partition, conversation_id, at)
) WITHOUT ROWID;

-- Since version 29: workspaces beside `default`, which has no row.
CREATE TABLE IF NOT EXISTS workspaces (
    workspace_id TEXT PRIMARY KEY,
    version      INTEGER NOT NULL,
    body         TEXT NOT NULL
) WITHOUT ROWID;

-- Since version 30: accounts' templates as their provider last told of them; when it was last asked for all of an account.
CREATE TABLE IF NOT EXISTS templates (
    account_id TEXT NOT NULL,
    name       TEXT NOT NULL,
    language   TEXT NOT NULL,
    at         INTEGER NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (account_id, name, language)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS templates_read (
    account_id TEXT PRIMARY KEY,
    at         INTEGER NOT NULL
) WITHOUT ROWID;

-- Since version 33: apps that accounts are of; their changes raise the number of the accounts.
CREATE TABLE IF NOT EXISTS apps (
    app_id TEXT PRIMARY KEY,
    body   TEXT NOT NULL
) WITHOUT ROWID;
