"""Alertmanager from Debian's package, with amtool."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ops.native.debian import has_package, install_package
from ops.native.processes import LOOPBACK, Server
from ops.native.prometheus import is_well

PACKAGE = "prometheus-alertmanager"
SETTINGS = Path(__file__).parents[1] / "prometheus" / "alertmanager.yml"


class Alertmanager(Server):
    """One server, alone. `settings`: its configuration, by default the one of the deployment."""

    name: ClassVar[str] = "alertmanager"
    start_limit_s: ClassVar[float] = 30

    def __init__(self, home: Path, folder: Path, port: int, host: str = LOOPBACK, *, settings: Path = SETTINGS) -> None:
        super().__init__(home, folder, port, host)
        self.settings = settings

    @classmethod
    def install(cls, home: Path) -> bool:
        """Unpack Debian's package; seconds."""
        return install_package(home, cls.name, PACKAGE)

    @classmethod
    def is_installed(cls, home: Path) -> bool:
        """Whether the program is there."""
        return has_package(home, cls.name, PACKAGE)

    @classmethod
    def tool(cls, home: Path) -> str:
        """amtool, which checks configurations."""
        return str(home.absolute() / cls.name / "usr/bin/amtool")

    def command(self) -> Sequence[str]:
        """The server, without looking for others of its kind."""
        return [
            str(self.home / self.name / "usr/bin/prometheus-alertmanager"),
            f"--config.file={self.settings}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]

    def answers(self) -> bool:
        """Its own readiness check."""
        return is_well(self.address)
