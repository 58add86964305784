"""The embedded message store: one SQLite file in write-ahead mode, shared by the processes of one machine."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from chat4all.model.clock import now_ms
from chat4all.model.failures import Mismatch
from chat4all.ports.message_store import Expired, MessageStore
from chat4all.settings import Settings
from storage.message_store.known import Known
from storage.message_store.sqlite_access import SQLiteAccess
from storage.message_store.sqlite_accounts import SQLiteAccounts
from storage.message_store.sqlite_broadcasts import SQLiteBroadcasts
from storage.message_store.sqlite_changes import SQLiteChanges
from storage.message_store.sqlite_connection import WRITE_LIMIT_S, Connections
from storage.message_store.sqlite_contacts import SQLiteContacts
from storage.message_store.sqlite_deferred import SQLiteDeferrals
from storage.message_store.sqlite_deferred_records import SQLiteDeferredRecords
from storage.message_store.sqlite_deliveries import SQLiteDeliveries
from storage.message_store.sqlite_directory import SQLiteDirectory
from storage.message_store.sqlite_expiry import forget
from storage.message_store.sqlite_files import SQLiteFiles
from storage.message_store.sqlite_handling import SQLiteHandlings
from storage.message_store.sqlite_history import SQLiteHistory
from storage.message_store.sqlite_holds import SQLiteHolds
from storage.message_store.sqlite_listing import SQLiteListing
from storage.message_store.sqlite_modifications import SQLiteModifications
from storage.message_store.sqlite_presence import SQLitePresences
from storage.message_store.sqlite_progress import SQLiteProgress
from storage.message_store.sqlite_raw_parts import SQLiteRawParts
from storage.message_store.sqlite_saved_replies import SQLiteSavedReplies
from storage.message_store.sqlite_templates import SQLiteTemplates
from storage.message_store.sqlite_upgrade import add_columns, set_indexes
from storage.message_store.sqlite_uploads import SQLiteUploads
from storage.message_store.sqlite_webhooks import SQLiteWebhooks
from storage.message_store.sqlite_workspaces import SQLiteWorkspaces
from storage.shrinking import can_shrink

SCHEMA_VERSION = 33
SCHEMA = Path(__file__).with_name("sqlite.sql")


class SQLiteStore(
    SQLiteDirectory,
    SQLiteListing,
    SQLiteContacts,
    SQLiteBroadcasts,
    SQLiteTemplates,
    SQLiteHandlings,
    SQLiteAccess,
    SQLiteHistory,
    SQLiteModifications,
    SQLiteRawParts,
    SQLiteDeferrals,
    SQLiteDeferredRecords,
    SQLiteHolds,
    SQLiteChanges,
    SQLiteDeliveries,
    SQLiteProgress,
    SQLiteFiles,
    SQLiteUploads,
    SQLiteWebhooks,
    SQLiteAccounts,
    SQLiteSavedReplies,
    SQLiteWorkspaces,
    SQLitePresences,
    MessageStore,
):
    """The file that `settings.store` names, in the data folder. Every method is one transaction."""

    def __init__(self, settings: Settings, write_limit_s: float = WRITE_LIMIT_S) -> None:
        self._db = Connections(settings.data / settings.store.partition(":")[2], write_limit_s=write_limit_s)
        self._kept, self._calls_limit = settings.retention, settings.webhook_calls_limit
        self._active = Known()

    def migrate(self) -> None:
        self._db.use_wal()
        with self._db.write() as db:
            there = _version(db)
            if there > SCHEMA_VERSION:
                raise Mismatch("store_schema", f"{self._db.path.name} has schema {there}, this is {SCHEMA_VERSION}")
            if there < SCHEMA_VERSION:
                add_columns(db, now_ms())
                for statement in _statements(SCHEMA.read_text()):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            set_indexes(db, self._kept)
        self._db.rewrite_small()

    def expire(self, now_ms: int) -> Expired:
        return forget(self._db, now_ms, self._kept)

    def check(self) -> str:
        with self._db.read() as db:
            shrinks = "" if can_shrink(db) else "; cannot give space back: stop the service and run `chat4all compact` once"
            return f"SQLite {sqlite3.sqlite_version}, {self._db.path}, schema {_version(db)}{shrinks}"

    def close(self) -> None:
        self._db.close()


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit between them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
