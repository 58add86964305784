"""Alertmanager with amtool."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ops.native.processes import LOOPBACK, Server, is_well

SETTINGS = Path(__file__).parents[1] / "prometheus" / "alertmanager.yml"


class Alertmanager(Server):
    """One server, alone. `settings`: its configuration, by default the one of the deployment."""

    name: ClassVar[str] = "alertmanager"
    start_limit_s: ClassVar[float] = 30

    def __init__(self, home: Path, folder: Path, port: int, host: str = LOOPBACK, *, settings: Path = SETTINGS) -> None:
        super().__init__(home, folder, port, host)
        self.settings = settings

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
        return is_well(self.address, "/-/ready")
