"""What providers send, each part to the workspace whose account it came to: one app may have accounts of several."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.ports import Deferred, Update
from chat4all.services.acceptance.acceptors import Acceptors
from chat4all.services.inbound.intake import Arrivals, Counts

T = TypeVar("T", Update, Deferred)


class ArrivalsByWorkspace:
    """As `Arrivals`, of all workspaces. `default`: those of that one, where they are opened already."""

    def __init__(self, acceptors: Acceptors, default: Arrivals | None = None) -> None:
        self._acceptors = acceptors
        self._made: dict[str, Arrivals] = {DEFAULT_WORKSPACE: default} if default else {}

    def accept_updates(self, updates: Sequence[Update], headers: Mapping[str, str] | None = None) -> Counts:
        """Make everything durable. Temporary or Unknown: the provider must bring it again."""
        counts = Counts(0, 0)
        for workspace, some in self._sorted([(each, each) for each in updates]).items():
            counts = counts.joined(self._of(workspace).accept_updates(some, headers))
        return counts

    def look_again(self, waiting: Sequence[Deferred], now: int, done_ms: int) -> None:
        """As `Arrivals.look_again`."""
        for workspace, some in self._sorted([(each.update, each) for each in waiting]).items():
            self._of(workspace).look_again(some, now, done_ms)

    def _sorted(self, given: Sequence[tuple[Update, T]]) -> dict[str, list[T]]:
        """By workspace; in each the order stays."""
        found: dict[str, list[T]] = {}
        for update, each in given:
            channel, account = getattr(update, "channel", ""), getattr(update, "account", "")
            workspace = self._acceptors.workspace_of(channel, account) if channel else DEFAULT_WORKSPACE
            found.setdefault(workspace, []).append(each)
        return found

    def _of(self, workspace: str) -> Arrivals:
        found = self._made.get(workspace)
        acceptor = self._acceptors.of(workspace)
        if found is None or (workspace != DEFAULT_WORKSPACE and found.acceptor is not acceptor):
            found = self._made[workspace] = Arrivals(self._acceptors.store(workspace), acceptor)
        return found
