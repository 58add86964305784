"""Who is there, as one workspace sees it."""

from collections.abc import Callable

from chat4all.model.presence import Present
from chat4all.model.workspaces import stored


class ScopedPresent:
    """Who of a workspace is there."""

    def __init__(self, present: Present, workspace: str) -> None:
        self._present, self._workspace = present, workspace

    def is_online(self, user_id: str) -> bool:
        """Whether any process has them."""
        return self._present.is_online(stored(self._workspace, user_id))


class ScopedWatch:
    """`now`: who of the workspace is there."""

    def __init__(self, now: Callable[[], Present], workspace: str) -> None:
        self._now, self._workspace = now, workspace

    def now(self) -> ScopedPresent:
        """As the log says. Raises Temporary."""
        return ScopedPresent(self._now(), self._workspace)
