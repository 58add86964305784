"""RabbitMQ from Debian, run as anyone, with a name server (epmd) of its own, so that nothing is left behind or shared."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from kombu.connection import Connection
from kombu.exceptions import OperationalError

from ops.native.install import InstallFailed, run
from ops.native.processes import LOOPBACK, Server, free_port, is_taken

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
PACKAGE = "rabbitmq-server"


class NameServer(Server):
    """Erlang's epmd on a port of our own, reachable from this machine only."""

    name: ClassVar[str] = "epmd"
    start_limit_s: ClassVar[float] = 10

    @classmethod
    def install(cls, home: Path) -> bool:
        """RabbitMQ's package brings it."""
        return False

    @classmethod
    def is_installed(cls, home: Path) -> bool:
        """Whether Erlang's programs are there."""
        return shutil.which("epmd") is not None

    def command(self) -> Sequence[str]:
        """In the foreground."""
        return ["epmd", "-address", self.host, "-port", str(self.port)]

    def answers(self) -> bool:
        """It listens; that is all it does."""
        return is_taken(self.host, self.port)


class RabbitMQ(Server):
    """One node. `epmd_port` and `node_port` are for Erlang's own use."""

    name: ClassVar[str] = "rabbitmq"

    def __init__(
        self, home: Path, folder: Path, port: int, host: str = LOOPBACK, *, epmd_port: int = 0, node_port: int = 0
    ) -> None:
        super().__init__(home, folder, port, host)
        self.node_port = node_port or free_port()
        self._names = NameServer(home, folder / "epmd", epmd_port or free_port(), host)

    @classmethod
    def install(cls, home: Path) -> bool:
        """Install Debian's package. Needs root; says so otherwise."""
        if cls.is_installed(home):
            return False
        if os.geteuid() != 0:
            raise InstallFailed(f"RabbitMQ: run `sudo apt-get install --no-install-recommends {PACKAGE}` first")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update"], 300, quiet)
        run(["apt-get", "install", "-y", "--no-install-recommends", PACKAGE], 600, quiet)
        return True

    @classmethod
    def is_installed(cls, home: Path) -> bool:
        """Whether the package is there."""
        return PROGRAM.exists()

    @property
    def url(self) -> str:
        """As Celery takes it. The guest user is let in from this machine only."""
        return f"amqp://guest:guest@{self.address}//"

    def environment(self) -> dict[str, str]:
        """Everything RabbitMQ would else look for in /etc and /var. "Under systemd" makes its script become the server."""
        return {
            "HOME": str(self.folder),
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": "chat4all@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_DIST_PORT": str(self.node_port),
            "ERL_EPMD_ADDRESS": self.host,
            "ERL_EPMD_PORT": str(self._names.port),
        }

    def prepare(self) -> None:
        """Write the configuration and start the name server."""
        (self.folder / "plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = {self.address}\nlog.console = true\n")
        self._names.start()

    def command(self) -> Sequence[str]:
        """The server's script, which becomes the server."""
        return [str(PROGRAM)]

    def answers(self) -> bool:
        """An AMQP connection is accepted and opened."""
        if not is_taken(self.host, self.port):
            return False
        connecting: Any = Connection
        try:
            with connecting(self.url, connect_timeout=2, transport_options={"read_timeout": 3}) as connection:
                return bool(connection.ensure_connection(max_retries=1, timeout=3).connected)
        except (OSError, OperationalError):
            return False

    def kill9(self) -> None:
        """As of every server; its name server goes too."""
        super().kill9()
        self._names.kill9()
