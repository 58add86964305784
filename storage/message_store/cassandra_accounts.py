"""Connected accounts in Cassandra: few, and asked for all at once: one partition, changed by compare-and-set only.

Apps are static there: what belongs to the partition is changed under the same condition as its rows.
"""

import msgspec

from chat4all.ports.accounts import Accounts, ConnectedAccount, ProviderApp
from storage.message_store.cassandra_rows import as_json
from storage.message_store.cassandra_session import Session

ALL = "all"

SWAP = "UPDATE accounts SET changed = ?, body = ? WHERE scope = ? AND account_id = ? IF changed = ?"
CHANGED = "SELECT changed FROM accounts WHERE scope = ? LIMIT 1"
ONE = "SELECT body FROM accounts WHERE scope = ? AND account_id = ?"
SOME = "SELECT body FROM accounts WHERE scope = ? AND account_id > ? LIMIT ?"
SWAP_APP = "UPDATE accounts SET changed = ?, apps[?] = ? WHERE scope = ? IF changed = ?"
APPS = "SELECT apps FROM accounts WHERE scope = ? LIMIT 1"

_account = msgspec.json.Decoder(ConnectedAccount).decode
_app = msgspec.json.Decoder(ProviderApp).decode


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

    def put_app(self, app: ProviderApp, seen: int) -> bool:
        return self._swap_app(app.app_id, as_json(app), seen)

    def remove_app(self, app_id: str, seen: int) -> bool:
        return self._swap_app(app_id, None, seen)

    def _swap_app(self, app_id: str, body: str | None, seen: int) -> bool:
        return bool(self._db.decide([(SWAP_APP, (seen + 1, app_id, body, ALL, seen or None))])[0][0])

    def app(self, app_id: str) -> ProviderApp | None:
        body = self._apps().get(app_id)
        return _app(body) if body else None

    def apps(self, limit: int, after: str = "") -> list[ProviderApp]:
        there = self._apps()
        return [_app(there[app_id]) for app_id in sorted(there) if app_id > after][:limit]

    def _apps(self) -> dict[str, str]:
        rows = self._db.rows(APPS, ALL)
        return dict(rows[0][0] or {}) if rows else {}
