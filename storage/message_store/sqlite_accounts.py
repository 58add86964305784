"""Connected accounts and their apps in SQLite."""

import msgspec

from chat4all.ports.accounts import Accounts, ConnectedAccount, ProviderApp
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import as_json, fetched

PUT = "INSERT INTO accounts VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
FIRST = "INSERT INTO account_changes VALUES (1, 0) ON CONFLICT DO NOTHING"
CHANGED = "UPDATE account_changes SET number = number + 1 WHERE one = 1 AND number = ?"
CHANGES = "SELECT number FROM account_changes WHERE one = 1"
ONE = "SELECT body FROM accounts WHERE account_id = ?"
SOME = "SELECT body FROM accounts WHERE account_id > ? ORDER BY account_id LIMIT ?"
PUT_APP = "INSERT INTO apps VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
REMOVE_APP = "DELETE FROM apps WHERE app_id = ?"
ONE_APP = "SELECT body FROM apps WHERE app_id = ?"
SOME_APPS = "SELECT body FROM apps WHERE app_id > ? ORDER BY app_id LIMIT ?"

_account = msgspec.json.Decoder(ConnectedAccount).decode
_app = msgspec.json.Decoder(ProviderApp).decode


class SQLiteAccounts(Accounts):
    """The part of the store that knows connected accounts."""

    _db: Connections

    def put_account(self, account: ConnectedAccount, seen: int) -> bool:
        return self._changed(seen, PUT, account.account_id, as_json(account))

    def _changed(self, seen: int, write: str, *row: object) -> bool:
        with self._db.write() as db:
            db.execute(FIRST)
            if db.execute(CHANGED, (seen,)).rowcount != 1:
                return False
            db.execute(write, row)
            return True

    def account(self, account_id: str) -> ConnectedAccount | None:
        with self._db.read() as db:
            row = db.execute(ONE, (account_id,)).fetchone()
        return _account(row[0]) if row else None

    def accounts(self, limit: int, after: str = "") -> list[ConnectedAccount]:
        with self._db.read() as db:
            rows = fetched(db, "body", SOME, (after, limit))
        return [_account(body) for (body,) in rows]

    def accounts_changed(self) -> int:
        with self._db.read() as db:
            row = db.execute(CHANGES).fetchone()
        return int(row[0]) if row else 0

    def put_app(self, app: ProviderApp, seen: int) -> bool:
        return self._changed(seen, PUT_APP, app.app_id, as_json(app))

    def remove_app(self, app_id: str, seen: int) -> bool:
        return self._changed(seen, REMOVE_APP, app_id)

    def app(self, app_id: str) -> ProviderApp | None:
        with self._db.read() as db:
            row = db.execute(ONE_APP, (app_id,)).fetchone()
        return _app(row[0]) if row else None

    def apps(self, limit: int, after: str = "") -> list[ProviderApp]:
        with self._db.read() as db:
            rows = fetched(db, "body", SOME_APPS, (after, limit))
        return [_app(body) for (body,) in rows]
