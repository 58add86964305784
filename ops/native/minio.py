"""MinIO: built with Go from its released sources."""

import secrets
from collections.abc import Sequence
from typing import ClassVar

from ops.native.processes import Server, is_well

MEMORY = "160MiB"


class Minio(Server):
    """A MinIO of one folder. Its password is made once and kept beside the data, readable by its owner only."""

    name: ClassVar[str] = "minio"
    start_limit_s: ClassVar[float] = 30
    user: ClassVar[str] = "chat4all"

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
        return is_well(self.address, "/minio/health/ready")
