"""What is known of accounts' templates, in Cassandra: written at the time at which it was so, so that the newest stands."""

from collections.abc import Sequence

import msgspec

from chat4all.ports.templates import AccountTemplate, TemplateKey, Templates
from storage.message_store.cassandra_rows import as_json
from storage.message_store.cassandra_session import Session

PUT = "INSERT INTO templates (account_id, name, language, body) VALUES (?, ?, ?, ?) USING TIMESTAMP ?"
ALL = "SELECT body FROM templates WHERE account_id = ?"
ONE = "SELECT body FROM templates WHERE account_id = ? AND name = ? AND language = ?"
READ_AT = "SELECT at FROM templates_read WHERE account_id = ?"
NOTE = "INSERT INTO templates_read (account_id, at) VALUES (?, ?) USING TIMESTAMP ?"

_template = msgspec.json.Decoder(AccountTemplate).decode


class CassandraTemplates(Templates):
    """The part of the store that knows templates."""

    _db: Session

    def put_templates(self, account_id: str, templates: Sequence[AccountTemplate]) -> None:
        self._db.put(
            (("templates", account_id), PUT, (account_id, each.name, each.language, as_json(each), each.at * 1000))
            for each in templates
        )

    def templates_of(self, account_id: str) -> list[AccountTemplate]:
        return [_template(body) for (body,) in self._db.rows(ALL, account_id)]

    def templates_named(self, keys: Sequence[TemplateKey]) -> dict[TemplateKey, AccountTemplate]:
        wanted = list(dict.fromkeys(keys))
        found = self._db.all((ONE, key) for key in wanted)
        return {key: _template(rows[0][0]) for key, rows in zip(wanted, found, strict=True) if rows}

    def templates_read_at(self, account_id: str) -> int:
        rows = self._db.rows(READ_AT, account_id)
        return rows[0][0] if rows else 0

    def note_templates_read(self, account_id: str, at: int) -> None:
        self._db.put([(("templates_read", account_id), NOTE, (account_id, at, at * 1000))])
