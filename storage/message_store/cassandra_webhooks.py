"""Outgoing webhooks, the log of calls to them, and recoveries, in Cassandra.

Endpoints are few, and asked for all at once: one partition, changed by compare-and-set only. Everything else is a plain write.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from chat4all.model.clock import DAY_MS, day_of, now_ms
from chat4all.model.retention import Retention
from chat4all.ports.webhooks import Recovery, Webhook, WebhookCall, Webhooks
from storage.message_store.cassandra_rows import as_json
from storage.message_store.cassandra_session import Put, Session
from storage.message_store.cut_logs import LAST, to_cut

ALL = "all"
DAY_S = 86_400

SWAP = "UPDATE webhooks SET changed = ?, version = ?, deleted = ?, body = ? WHERE scope = ? AND webhook_id = ? IF version = ?"
CHANGED = "SELECT changed FROM webhooks WHERE scope = ? LIMIT 1"
ONE = "SELECT body FROM webhooks WHERE scope = ? AND webhook_id = ?"
SOME = "SELECT webhook_id, deleted, body FROM webhooks WHERE scope = ? AND webhook_id > ? LIMIT ?"

LOG = "INSERT INTO webhook_calls (webhook_id, day, call_id, body) VALUES (?, ?, ?, ?) USING TTL ?"
CALLS = "SELECT body FROM webhook_calls WHERE webhook_id = ? AND day = ? AND call_id < ? LIMIT ?"
IDS = "SELECT call_id FROM webhook_calls WHERE webhook_id = ? AND day = ? LIMIT ?"
CUT = "DELETE FROM webhook_calls WHERE webhook_id = ? AND day = ? AND call_id < ?"

# What a recovery begins with comes before all that is written of it later, so it may be written again. After its end too: what
# is deleted stays deleted, for as long as the servers know of it.
BEGIN = (
    "INSERT INTO webhook_recoveries (partition, recovery_id, webhook_id, until, position, retry_at, refusals) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP 1"
)
RECOVERIES = "SELECT recovery_id, webhook_id, position, until, retry_at, refusals FROM webhook_recoveries WHERE partition = ?"
MOVE = "UPDATE webhook_recoveries USING TIMESTAMP ? SET position = ? WHERE partition = ? AND recovery_id = ?"
# What a holder says of a recovery that another has ended goes by itself.
WAIT = "UPDATE webhook_recoveries USING TTL ? SET retry_at = ?, refusals = ? WHERE partition = ? AND recovery_id = ?"
WAIT_S = 30 * DAY_S
DONE = "DELETE FROM webhook_recoveries WHERE partition = ? AND recovery_id = ?"

POSITIONS = "SELECT partition, seq FROM webhook_told WHERE scope = ?"
RAISE = "UPDATE webhook_told USING TIMESTAMP ? SET seq = ? WHERE scope = ? AND partition = ?"

_webhook = msgspec.json.Decoder(Webhook).decode
_call = msgspec.json.Decoder(WebhookCall).decode


class CassandraWebhooks(Webhooks):
    """The part of the store that knows outgoing webhooks."""

    _db: Session
    _kept: Retention
    _calls_limit: int

    def put_webhook(self, webhook: Webhook) -> bool:
        """With the same write `changed` becomes a number that nobody has seen."""
        seen = webhook.version - 1 or None
        row = (webhook.version, webhook.status == "deleted", as_json(webhook))
        answers = self._db.decide([(SWAP, (1 + secrets.randbits(62), *row, ALL, webhook.webhook_id, seen))])
        return bool(answers[0][0])

    def webhook(self, webhook_id: str) -> Webhook | None:
        rows = self._db.rows(ONE, ALL, webhook_id)
        return next((_webhook(body) for (body,) in rows if body), None)

    def webhooks(self, limit: int, after: str = "") -> list[Webhook]:
        found: list[Webhook] = []
        while len(found) < limit:
            rows = self._db.rows(SOME, ALL, after, limit)
            found += [_webhook(body) for _, deleted, body in rows if body and not deleted]
            if len(rows) < limit:
                break
            after = rows[-1][0]
        return found[:limit]

    def webhooks_changed(self) -> int:
        rows = self._db.rows(CHANGED, ALL)
        return int(rows[0][0] or 0) if rows else 0

    def log_webhook_calls(self, calls: Sequence[WebhookCall]) -> None:
        ttl_s = self._kept.webhook_calls * DAY_S
        self._db.put(_put(each, ttl_s) for each in calls)
        for webhook_id in to_cut(calls, self._calls_limit):
            self._cut(webhook_id)

    def _cut(self, webhook_id: str) -> None:
        room = self._calls_limit
        for day in self._days():
            ids = [call_id for (call_id,) in self._db.rows(IDS, webhook_id, day, room + 1)]
            if len(ids) > room:
                oldest = ids[room - 1] if room else LAST
                self._db.put([(("webhook_calls", webhook_id, day), CUT, (webhook_id, day, oldest))])
            room = max(0, room - len(ids))

    def webhook_calls(self, webhook_id: str, limit: int, before: str = "") -> list[WebhookCall]:
        found: list[WebhookCall] = []
        for day in self._days():
            if len(found) < limit:
                rows = self._db.rows(CALLS, webhook_id, day, before or LAST, limit - len(found))
                found += [_call(body) for (body,) in rows]
        return found

    def _days(self) -> Iterator[str]:
        """The days that calls are kept of, the newest first, from tomorrow: the clock of who logs may be ahead of ours."""
        today = now_ms() // DAY_MS
        return (day_of(day * DAY_MS) for day in range(today + 1, today - self._kept.webhook_calls - 1, -1))

    def add_recoveries(self, recoveries: Sequence[Recovery]) -> None:
        self._db.put((_place(each), BEGIN, (*_key(each), each.webhook_id, each.until, *_state(each))) for each in recoveries)

    def recoveries(self, partition: int) -> list[Recovery]:
        # Without a webhook_id: something that was said late of one that is done.
        return [
            Recovery(recovery_id, webhook_id, partition, position, until, retry_at or 0, refusals or 0)
            for recovery_id, webhook_id, position, until, retry_at, refusals in self._db.rows(RECOVERIES, partition)
            if webhook_id is not None
        ]

    def move_recovery(self, recovery: Recovery) -> None:
        key = _key(recovery)
        if recovery.position >= recovery.until:
            self._db.put([(_place(recovery), DONE, key)])
            return
        position, *waits = _state(recovery)
        self._db.put(
            [
                (_place(recovery), MOVE, (position + 2, position, *key)),
                (_place(recovery), WAIT, (WAIT_S, *waits, *key)),
            ]
        )

    def told_seqs(self) -> dict[int, int]:
        return dict(self._db.rows(POSITIONS, ALL))

    def raise_told_seqs(self, seqs: Mapping[int, int]) -> None:
        self._db.put((("webhook_told",), RAISE, (seq + 1, seq, ALL, partition)) for partition, seq in seqs.items())


def _put(call: WebhookCall, ttl_s: int) -> Put:
    day = day_of(call.at)
    return ("webhook_calls", call.webhook_id, day), LOG, (call.webhook_id, day, call.call_id, as_json(call), ttl_s)


def _place(recovery: Recovery) -> tuple[str, int]:
    return "webhook_recoveries", recovery.partition


def _key(recovery: Recovery) -> tuple[int, str]:
    return recovery.partition, recovery.recovery_id


def _state(recovery: Recovery) -> tuple[int, int, int]:
    return recovery.position, recovery.retry_at, recovery.refusals
