"""What is known of accounts' templates, in SQLite."""

from collections.abc import Sequence

import msgspec

from chat4all.ports.templates import AccountTemplate, TemplateKey, Templates
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import Lookup, Write, as_json, fetched

PUT = Write(
    "INSERT INTO templates VALUES {rows} "
    "ON CONFLICT DO UPDATE SET at = excluded.at, body = excluded.body WHERE excluded.at >= at",
    5,
)
ALL = "SELECT body FROM templates WHERE account_id = ? ORDER BY name, language"
NAMED = Lookup("body", "CROSS JOIN templates USING (account_id, name, language)", "account_id", "name", "language")
READ_AT = "SELECT at FROM templates_read WHERE account_id = ?"
NOTE = Write("INSERT INTO templates_read VALUES {rows} ON CONFLICT DO UPDATE SET at = max(at, excluded.at)", 2)

_template = msgspec.json.Decoder(AccountTemplate).decode


class SQLiteTemplates(Templates):
    """The part of the store that knows templates."""

    _db: Connections

    def put_templates(self, account_id: str, templates: Sequence[AccountTemplate]) -> None:
        self._db.put((PUT, [(account_id, each.name, each.language, each.at, as_json(each)) for each in templates]))

    def templates_of(self, account_id: str) -> list[AccountTemplate]:
        with self._db.read() as db:
            return [_template(body) for (body,) in fetched(db, "body", ALL, (account_id,))]

    def templates_named(self, keys: Sequence[TemplateKey]) -> dict[TemplateKey, AccountTemplate]:
        with self._db.read() as db:
            return {key: _template(body) for key, (body,) in NAMED(db, list(keys))}

    def templates_read_at(self, account_id: str) -> int:
        with self._db.read() as db:
            row = db.execute(READ_AT, (account_id,)).fetchone()
        return row[0] if row else 0

    def note_templates_read(self, account_id: str, at: int) -> None:
        self._db.put((NOTE, [(account_id, at)]))
