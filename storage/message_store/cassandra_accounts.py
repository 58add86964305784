"""Connected accounts in Cassandra: few, and asked for all at once: one partition, changed by compare-and-set only."""

import msgspec

from chat4all.ports.accounts import Accounts, ConnectedAccount
from storage.message_store.cassandra_rows import as_json
from storage.message_store.cassandra_session import Session

ALL = "all"

SWAP = "UPDATE accounts SET changed = ?, body = ? WHERE scope = ? AND account_id = ? IF changed = ?"
CHANGED = "SELECT changed FROM accounts WHERE scope = ? LIMIT 1"
ONE = "SELECT body FROM accounts WHERE scope = ? AND account_id = ?"
SOME = "SELECT body FROM accounts WHERE scope = ? AND account_id > ? LIMIT ?"

_account = msgspec.json.Decoder(ConnectedAccount).decode


class CassandraAccounts(Accounts):
    """The part of the store that knows connected accounts."""

    _db: Session

    def put_account(self, account: ConnectedAccount, seen: int) -> bool:
        row = (seen + 1, as_json(account), ALL, account.account_id, seen or None)
        return bool(self._db.decide([(SWAP, row)])[0][0])

    def account(self, account_id: str) -> ConnectedAccount | None:
        rows = self._db.rows(ONE, ALL, account_id)
        return next((_account(body) for (body,) in rows if body), None)

    def accounts(self, limit: int, after: str = "") -> list[ConnectedAccount]:
        return [_account(body) for (body,) in self._db.rows(SOME, ALL, after, limit) if body]

    def accounts_changed(self) -> int:
        rows = self._db.rows(CHANGED, ALL)
        return int(rows[0][0] or 0) if rows else 0
