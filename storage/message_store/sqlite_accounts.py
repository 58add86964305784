"""Connected accounts in SQLite."""

import msgspec

from chat4all.ports.accounts import Accounts, ConnectedAccount
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import as_json, fetched

PUT = "INSERT INTO accounts VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
FIRST = "INSERT INTO account_changes VALUES (1, 0) ON CONFLICT DO NOTHING"
CHANGED = "UPDATE account_changes SET number = number + 1 WHERE one = 1 AND number = ?"
CHANGES = "SELECT number FROM account_changes WHERE one = 1"
ONE = "SELECT body FROM accounts WHERE account_id = ?"
SOME = "SELECT body FROM accounts WHERE account_id > ? ORDER BY account_id LIMIT ?"

_account = msgspec.json.Decoder(ConnectedAccount).decode


class SQLiteAccounts(Accounts):
    """The part of the store that knows connected accounts."""

    _db: Connections

    def put_account(self, account: ConnectedAccount, seen: int) -> bool:
        with self._db.write() as db:
            db.execute(FIRST)
            if db.execute(CHANGED, (seen,)).rowcount != 1:
                return False
            db.execute(PUT, (account.account_id, as_json(account)))
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
