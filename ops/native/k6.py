"""k6, the load generator: built with Go from its released sources. A tool, not a server."""

from pathlib import Path
from typing import ClassVar

from ops.native.golang import go_install
from ops.native.install import install_once, is_installed

VERSION = "v1.8.1"


class K6:
    """Installed as the servers are."""

    name: ClassVar[str] = "k6"

    @classmethod
    def install(cls, home: Path) -> bool:
        """Build it; two to ten minutes the first time. False when it was there."""
        return install_once(home / cls.name, VERSION, lambda folder: go_install(folder, f"go.k6.io/k6@{VERSION}"))

    @classmethod
    def is_installed(cls, home: Path) -> bool:
        """Whether the binary is there in our version."""
        return is_installed(home / cls.name, VERSION)

    @classmethod
    def tool(cls, home: Path) -> str:
        """The program."""
        return str(home.absolute() / cls.name / cls.name)
