"""k6, the load generator. A tool, not a server."""

from pathlib import Path
from typing import ClassVar

from ops.native.packages import PACKAGES


class K6:
    """Installed as the servers are."""

    name: ClassVar[str] = "k6"

    @classmethod
    def install(cls, home: Path) -> bool:
        """Build it; two to ten minutes the first time. False when it was there."""
        return PACKAGES[cls.name].install(home / cls.name)

    @classmethod
    def is_installed(cls, home: Path) -> bool:
        """Whether the binary is there in our version."""
        return PACKAGES[cls.name].is_in(home / cls.name)

    @classmethod
    def tool(cls, home: Path) -> str:
        """The program."""
        return str(home.absolute() / cls.name / cls.name)
