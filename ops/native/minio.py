"""MinIO: built with Go from its released sources."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.error import URLError
from urllib.request import urlopen

from ops.native.golang import go_install
from ops.native.install import install_once, is_installed
from ops.native.processes import Server

VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
MEMORY = "160MiB"


class Minio(Server):
    """A MinIO of one folder. Its password is made once and kept beside the data, readable by its owner only."""

    name: ClassVar[str] = "minio"
    start_limit_s: ClassVar[float] = 30
    user: ClassVar[str] = "chat4all"

    @classmethod
    def install(cls, home: Path) -> bool:
        """Build it; about four minutes on two cores, seconds when Go's cache has it."""
        return install_once(home / cls.name, VERSION, lambda folder: go_install(folder, f"github.com/minio/minio@{VERSION}"))

    @classmethod
    def is_installed(cls, home: Path) -> bool:
        """Whether the binary is there in our version."""
        return is_installed(home / cls.name, VERSION)

    @property
    def password(self) -> str:
        """The password of `user`."""
        path = self.folder / "password"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24))
        return path.read_text()

    def environment(self) -> dict[str, str]:
        """Credentials; no console, no look-out for updates; a limit of memory."""
        return {
            "MINIO_ROOT_USER": self.user,
            "MINIO_ROOT_PASSWORD": self.password,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
            # It sets Go's limit itself, to nearly all of the machine's memory, whatever GOMEMLIMIT says. The number of
            # requests side by side follows from the limit unless it is given.
            "MINIO_MEMLIMIT": MEMORY,
            "MINIO_API_REQUESTS_MAX": "128",
        }

    def command(self) -> Sequence[str]:
        """The server over the folder `objects`."""
        binary = str(self.home / self.name / "minio")
        return [binary, "server", "--quiet", "--address", self.address, str(self.folder / "objects")]

    def answers(self) -> bool:
        """Its own readiness check: the disks are in use."""
        try:
            with urlopen(f"http://{self.address}/minio/health/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False
