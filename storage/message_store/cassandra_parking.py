"""Receipts that wait for their delivery, in Cassandra. They expire; those that no delivery claimed are reported before."""

from collections.abc import Sequence

import msgspec

from chat4all.model.clock import now_ms
from chat4all.model.records import ProviderReceipt
from chat4all.ports.deliveries import PARKED_FIELDS, Deliveries
from storage.message_store.cassandra_rows import Lookup, as_json
from storage.message_store.cassandra_session import Put, Session
from storage.message_store.known import Known

DAY_S = 86_400
MINUTE_MS = 60_000
TOLD_AFTER_MS = 3 * DAY_S * 1000
KEEP_S, KEEP_MINUTE_S = 6 * DAY_S, 7 * DAY_S
MINUTES_AT_ONCE = 200

PARK = (
    "INSERT INTO parked (channel, account, provider_id, kind, at, reason, reference) VALUES (?, ?, ?, ?, ?, ?, ?) USING TTL ?"
)
PARKED = Lookup("kind, at, reason, reference", "parked", "channel", "account", "provider_id")
BY_MINUTE = "INSERT INTO parked_by_minute (minute, receipt) VALUES (?, ?) USING TTL ?"
OF_MINUTE = "SELECT receipt FROM parked_by_minute WHERE minute = ?"
MINUTE = "INSERT INTO parked_minutes (scope, minute) VALUES ('all', ?) USING TTL ?"
MINUTES = "SELECT minute FROM parked_minutes WHERE scope = 'all' AND minute > ? AND minute <= ? LIMIT ?"
PARKED_UP_TO = "SELECT value FROM positions WHERE name = 'parked_told'"
TELL = "UPDATE positions USING TIMESTAMP ? SET value = ? WHERE name = 'parked_told'"

_receipt = msgspec.json.Decoder(ProviderReceipt).decode


class CassandraParking(Deliveries):
    """The parked receipts' part of the store."""

    _db: Session
    _minutes: Known

    def park(self, receipts: Sequence[ProviderReceipt]) -> None:
        minute = now_ms() // MINUTE_MS
        if receipts and (new := self._minutes.missing([minute])):
            self._db.put([(("parked_minutes",), MINUTE, (minute, KEEP_MINUTE_S))])
            self._minutes.add(new)
        puts: list[Put] = []
        for each in receipts:
            values = (*msgspec.structs.astuple(each)[:PARKED_FIELDS], KEEP_S)
            puts.append((("parked", each.channel, each.account, each.provider_id), PARK, values))
            puts.append((("parked_by_minute", minute), BY_MINUTE, (minute, as_json(each), KEEP_S)))
        self._db.put(puts)

    def parked(self, ids: Sequence[tuple[str, str, str]]) -> list[ProviderReceipt]:
        return [ProviderReceipt(*key, *row) for key, row in PARKED(self._db, ids)]

    def unclaimed(self, now_ms: int) -> list[ProviderReceipt]:
        """Receipts parked three days ago that no delivery claimed: each told once, or again when a process dies of it."""
        rows = self._db.rows(PARKED_UP_TO)
        minutes = self._db.rows(MINUTES, rows[0][0] if rows else 0, (now_ms - TOLD_AFTER_MS) // MINUTE_MS - 1, MINUTES_AT_ONCE)
        unclaimed: list[ProviderReceipt] = []
        for (minute,) in minutes:
            receipts = [_receipt(text) for (text,) in self._db.rows(OF_MINUTE, minute)]
            known = self.handles([(each.channel, each.account, each.provider_id) for each in receipts])
            unclaimed += [each for each in receipts if (each.channel, each.account, each.provider_id) not in known]
        if minutes:
            self._db.put([(("positions",), TELL, (minutes[-1][0] + 1, minutes[-1][0]))])
        return unclaimed
