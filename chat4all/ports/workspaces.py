"""Part of the message store: the workspaces that a deployment has beside `default`."""

from abc import ABC, abstractmethod

from chat4all.model.workspaces import Workspace


class Workspaces(ABC):
    """Workspaces, the removed ones too: no other is ever called as one was."""

    @abstractmethod
    def put_workspace(self, workspace: Workspace) -> bool:
        """Keep it, if what is kept has the version before; version 1: if nothing is. Whether it was. Compare-and-set."""

    @abstractmethod
    def workspace(self, workspace_id: str) -> Workspace | None:
        """It, also when it is removed."""

    @abstractmethod
    def workspaces(self, limit: int, after: str = "") -> list[Workspace]:
        """All of them by workspace_id, beginning after that one."""
