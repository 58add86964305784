"""Workspaces in Cassandra: asked for all at once, so they are in one partition; each is changed by compare-and-set only."""

import msgspec

from chat4all.model.workspaces import Workspace
from chat4all.ports.workspaces import Workspaces
from storage.message_store.cassandra_rows import Register, as_json
from storage.message_store.cassandra_session import Session

ALL = "all"
ROWS = Register("workspaces", "scope", "workspace_id")
SOME = "SELECT body FROM workspaces WHERE scope = ? AND workspace_id > ? LIMIT ?"

_workspace = msgspec.json.Decoder(Workspace).decode


class CassandraWorkspaces(Workspaces):
    """The part of the store that knows workspaces."""

    _db: Session

    def put_workspace(self, workspace: Workspace) -> bool:
        def changed(_key: tuple[str, ...], body: str | None) -> str | None:
            before = _workspace(body).version if body else 0
            return as_json(workspace) if before == workspace.version - 1 else body

        key = (ALL, workspace.workspace_id)
        return ROWS.settle(self._db, [key], changed)[key][1]

    def workspace(self, workspace_id: str) -> Workspace | None:
        key = (ALL, workspace_id)
        body = ROWS.read(self._db, [key]).get(key)
        return _workspace(body) if body else None

    def workspaces(self, limit: int, after: str = "") -> list[Workspace]:
        return [_workspace(body) for (body,) in self._db.rows(SOME, ALL, after, limit) if body]
