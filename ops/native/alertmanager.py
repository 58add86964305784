"""Alertmanager with amtool, built with Go: Debian's wants its templates at a place where only root may put them."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ops.native.golang import go_install
from ops.native.install import install_once, is_installed
from ops.native.processes import LOOPBACK, Server
from ops.native.prometheus import is_well

VERSION = "v0.28.1"
MODULE = "github.com/prometheus/alertmanager/cmd"
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
        """Build it; a minute, seconds when Go's cache has it."""
        return install_once(home / cls.name, VERSION, _build)

    @classmethod
    def is_installed(cls, home: Path) -> bool:
        """Whether the program is there."""
        return is_installed(home / cls.name, VERSION)

    @classmethod
    def tool(cls, home: Path) -> str:
        """amtool, which checks configurations."""
        return str(home.absolute() / cls.name / "amtool")

    def command(self) -> Sequence[str]:
        """The server, without looking for others of its kind."""
        return [
            str(self.home / self.name / "alertmanager"),
            f"--config.file={self.settings}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]

    def answers(self) -> bool:
        """Its own readiness check."""
        return is_well(self.address)


def _build(folder: Path) -> None:
    go_install(folder, *(f"{MODULE}/{program}@{VERSION}" for program in ("alertmanager", "amtool")))
