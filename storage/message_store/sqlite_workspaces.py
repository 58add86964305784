"""Workspaces in SQLite."""

import msgspec

from chat4all.model.workspaces import Workspace
from chat4all.ports.workspaces import Workspaces
from storage.message_store.sqlite_connection import Connections
from storage.message_store.sqlite_rows import as_json, fetched

FOUND = "INSERT INTO workspaces VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
CHANGE = "UPDATE workspaces SET version = ?, body = ? WHERE workspace_id = ? AND version = ?"
ONE = "SELECT body FROM workspaces WHERE workspace_id = ?"
SOME = "SELECT body FROM workspaces WHERE workspace_id > ? ORDER BY workspace_id LIMIT ?"

_workspace = msgspec.json.Decoder(Workspace).decode


class SQLiteWorkspaces(Workspaces):
    """The part of the store that knows workspaces."""

    _db: Connections

    def put_workspace(self, workspace: Workspace) -> bool:
        key, version, body = workspace.workspace_id, workspace.version, as_json(workspace)
        with self._db.write() as db:
            if version == 1:
                return db.execute(FOUND, (key, version, body)).rowcount == 1
            return db.execute(CHANGE, (version, body, key, version - 1)).rowcount == 1

    def workspace(self, workspace_id: str) -> Workspace | None:
        with self._db.read() as db:
            row = db.execute(ONE, (workspace_id,)).fetchone()
        return _workspace(row[0]) if row else None

    def workspaces(self, limit: int, after: str = "") -> list[Workspace]:
        with self._db.read() as db:
            return [_workspace(body) for (body,) in fetched(db, "body", SOME, (after, limit))]
