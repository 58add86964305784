"""Outgoing webhooks, the log of calls to them, and recoveries, in SQLite."""

from collections.abc import Mapping, Sequence

import msgspec

from chat4all.ports.webhooks import Recovery, Webhook, WebhookCall, Webhooks
from storage.message_store.cut_logs import LAST, to_cut
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Write, as_json, fetched

ADD = "INSERT INTO webhooks VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
REPLACE = "UPDATE webhooks SET version = ?, deleted = ?, body = ? WHERE webhook_id = ? AND version = ?"
CHANGED = "INSERT INTO webhook_changes VALUES (1, 1) ON CONFLICT DO UPDATE SET number = number + 1"
CHANGES = "SELECT number FROM webhook_changes WHERE one = 1"
ONE = "SELECT body FROM webhooks WHERE webhook_id = ?"
SOME = "SELECT body FROM webhooks WHERE webhook_id > ? AND deleted = 0 ORDER BY webhook_id LIMIT ?"

LOG = Write("INSERT INTO webhook_calls VALUES {rows} ON CONFLICT DO NOTHING", 4)
CALLS = "SELECT body FROM webhook_calls WHERE webhook_id = ? AND call_id < ? ORDER BY call_id DESC LIMIT ?"
# The oldest of those that stay.
OLDEST = "SELECT call_id FROM webhook_calls WHERE webhook_id = ? ORDER BY call_id DESC LIMIT 1 OFFSET ?"
CHUNK = 500
CUT = f"""
DELETE FROM webhook_calls WHERE webhook_id = ? AND call_id IN (
    SELECT call_id FROM webhook_calls WHERE webhook_id = ? AND call_id < ? ORDER BY call_id LIMIT {CHUNK}
)
"""  # noqa: S608

BEGIN = Write("INSERT INTO webhook_recoveries VALUES {rows} ON CONFLICT DO NOTHING", 7)
RECOVERIES = "SELECT * FROM webhook_recoveries WHERE partition = ? ORDER BY recovery_id"
MOVE = """
UPDATE webhook_recoveries SET position = max(position, ?), retry_at = ?, refusals = ?
WHERE partition = ? AND recovery_id = ?
"""
DONE = "DELETE FROM webhook_recoveries WHERE partition = ? AND recovery_id = ?"

POSITIONS = "SELECT partition, seq FROM webhook_told WHERE partition >= 0"
RAISE = Write("INSERT INTO webhook_told VALUES {rows} ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)", 2)

_webhook = msgspec.json.Decoder(Webhook).decode
_call = msgspec.json.Decoder(WebhookCall).decode


class SQLiteWebhooks(Webhooks):
    """The part of the store that knows outgoing webhooks."""

    _db: Connections
    _calls_limit: int

    def put_webhook(self, webhook: Webhook) -> bool:
        key, version = webhook.webhook_id, webhook.version
        row = (version, webhook.status == "deleted", as_json(webhook))
        with self._db.write() as db:
            written = db.execute(ADD, (key, *row)) if version == 1 else db.execute(REPLACE, (*row, key, version - 1))
            if written.rowcount == 1:
                db.execute(CHANGED)
            return written.rowcount == 1

    def webhook(self, webhook_id: str) -> Webhook | None:
        with self._db.read() as db:
            row = db.execute(ONE, (webhook_id,)).fetchone()
        return _webhook(row[0]) if row else None

    def webhooks(self, limit: int, after: str = "") -> list[Webhook]:
        with self._db.read() as db:
            rows = fetched(db, "body", SOME, (after, limit))
        return [_webhook(body) for (body,) in rows]

    def webhooks_changed(self) -> int:
        with self._db.read() as db:
            row = db.execute(CHANGES).fetchone()
        return int(row[0]) if row else 0

    def log_webhook_calls(self, calls: Sequence[WebhookCall]) -> None:
        self._db.put((LOG, [(each.webhook_id, each.call_id, each.at, as_json(each)) for each in calls]))
        for webhook_id in to_cut(calls, self._calls_limit):
            self._cut(webhook_id)

    def _cut(self, webhook_id: str) -> None:
        with self._db.read() as db:
            oldest = db.execute(OLDEST, (webhook_id, self._calls_limit - 1)).fetchone()
        gone = CHUNK
        while oldest and gone == CHUNK:
            with self._db.step() as db:
                gone = db.execute(CUT, (webhook_id, webhook_id, oldest[0])).rowcount

    def webhook_calls(self, webhook_id: str, limit: int, before: str = "") -> list[WebhookCall]:
        with self._db.read() as db:
            rows = fetched(db, "body", CALLS, (webhook_id, before or LAST, limit))
        return [_call(body) for (body,) in rows]

    def add_recoveries(self, recoveries: Sequence[Recovery]) -> None:
        rows = [(each.partition, each.recovery_id, each.webhook_id, *_state(each), each.until) for each in recoveries]
        self._db.put((BEGIN, rows))

    def recoveries(self, partition: int) -> list[Recovery]:
        with self._db.read() as db:
            rows = db.execute(RECOVERIES, (partition,)).fetchall()
        return [
            Recovery(recovery_id, webhook_id, partition, position, until, retry_at, refusals)
            for _, recovery_id, webhook_id, position, retry_at, refusals, until in rows
        ]

    def move_recovery(self, recovery: Recovery) -> None:
        key = (recovery.partition, recovery.recovery_id)
        with self._db.write() as db:
            if recovery.position >= recovery.until:
                db.execute(DONE, key)
            else:
                db.execute(MOVE, (*_state(recovery), *key))

    def told_seqs(self) -> dict[int, int]:
        with self._db.read() as db:
            return dict(db.execute(POSITIONS).fetchall())

    def raise_told_seqs(self, seqs: Mapping[int, int]) -> None:
        self._db.put((RAISE, list(seqs.items())))


def _state(recovery: Recovery) -> tuple[int, int, int]:
    return recovery.position, recovery.retry_at, recovery.refusals
