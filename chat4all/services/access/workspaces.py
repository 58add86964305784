"""Workspaces as operators make, limit, suspend and remove them. `default` is always there, and as it is."""

from collections.abc import Callable

from msgspec.structs import replace

from chat4all.model.callers import ADMIN
from chat4all.model.clock import now_ms
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.sessions import Revocation
from chat4all.model.workspaces import ACTIVE, NAME_MOST, REMOVED, Limits, Workspace, check_workspace_id, everything_of
from chat4all.ports import MessageStore
from chat4all.services.access import credentials
from chat4all.services.access.logins import Logins
from chat4all.services.refusals import Conflict, NoSuch, Taken, Wrong
from chat4all.services.workspaces.scoped_store import scoped
from chat4all.settings import Settings

# Whose secret the operator is told: with it a workspace goes on by itself.
FIRST_CLIENT = "admin"


class WorkspaceRegistry:
    """The workspaces of a deployment. `store`: with all of them. Every change is in force everywhere within two seconds."""

    def __init__(self, store: MessageStore, settings: Settings, clock: Callable[[], int] = now_ms) -> None:
        self._store, self._settings, self._clock = store, settings, clock

    def create(self, workspace_id: str, name: str, limits: Limits, by: str) -> Workspace:
        """A new one. Wrong for an id that cannot be; Taken when there is or was one called so."""
        try:
            check_workspace_id(workspace_id)
        except ValueError as error:
            raise Wrong("workspace_id", str(error)) from None
        now = self._clock()
        made = Workspace(workspace_id, name, ACTIVE, _checked(limits), created_at=now, changed_at=now, created_by=by)
        if not self._store.put_workspace(made):
            raise Taken(workspace_id)
        self._announce(made)
        return made

    def get(self, workspace_id: str) -> Workspace:
        """It, as it is now. NoSuch when there is none."""
        if workspace_id == DEFAULT_WORKSPACE:
            return Workspace(DEFAULT_WORKSPACE)
        found = self._store.workspace(workspace_id)
        if found is None:
            raise NoSuch(workspace_id)
        return found

    def page(self, limit: int, after: str) -> list[Workspace]:
        """Some of them by id, `default` not among them."""
        return self._store.workspaces(limit, after)

    def change(self, workspace_id: str, name: str | None, limits: Limits | None) -> Workspace:
        """Call it something else, or limit it otherwise."""
        if limits is not None:
            _checked(limits)
        return self._replaced(
            workspace_id,
            lambda old: replace(old, name=old.name if name is None else name, limits=old.limits if limits is None else limits),
        )

    def to_state(self, workspace_id: str, state: str) -> Workspace:
        """Suspend, resume or remove it. Conflict: it was removed."""
        return self._replaced(workspace_id, lambda old: replace(old, state=state))

    def first_secret(self, workspace_id: str) -> str:
        """A new secret of the client that administers the workspace, told only now; older ones and their logins end."""
        if self.get(workspace_id).state == REMOVED or workspace_id == DEFAULT_WORKSPACE:
            raise Conflict("workspace_removed", "there is nobody in it")
        store = scoped(self._store, workspace_id)
        logins = Logins(store, self._settings, workspace=workspace_id)
        try:
            return credentials.rotate_client(store, logins, FIRST_CLIENT)[1]
        except credentials.Nobody:
            return credentials.create_client(store, FIRST_CLIENT, [ADMIN])

    def _replaced(self, workspace_id: str, change: Callable[[Workspace], Workspace]) -> Workspace:
        if workspace_id == DEFAULT_WORKSPACE:
            raise Conflict("default_workspace", "`default` is always there, and as it is")
        while True:
            old = self.get(workspace_id)
            new = change(old)
            if new == old:
                return old
            if old.state == REMOVED:
                raise Conflict("workspace_removed", "it was removed, for good")
            new = replace(new, version=old.version + 1, changed_at=self._clock())
            if self._store.put_workspace(new):
                self._announce(new)
                return new

    def _announce(self, changed: Workspace) -> None:
        """Processes ask for what was revoked once a second: that a workspace changed is said there."""
        keep_s = 2 * max(self._settings.token_s, 3600)
        self._store.revoke([Revocation(user_id=everything_of(changed.workspace_id), before=changed.version)], keep_s)


def _checked(limits: Limits) -> Limits:
    if min(limits.accounts, limits.calls) < 0:
        raise Wrong("limits", "0 for no limit, else more than that")
    return limits


__all__ = ["FIRST_CLIENT", "NAME_MOST", "WorkspaceRegistry"]
