"""What the uploads run on: the embedded parts with a folder, the same with MinIO, or real servers for everything."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from ops.native.minio import Minio
from ops.native.processes import Server, free_port, start_all
from ops.native.stack import default_home, on_free_ports, variables

STACKS = ("folder", "s3", "real")


class Stack(Struct, frozen=True):
    """The settings that make a system run on it, and its servers by name, started."""

    name: str
    env: dict[str, str]
    servers: dict[str, Server]


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Stack]:
    """A stack with servers of its own, which are gone afterwards. StartFailed when one does not come up."""
    servers: dict[str, Server] = {}
    if name == "s3":
        servers = {"minio": Minio(default_home(), folder / "minio", free_port())}
    elif name == "real":
        servers = on_free_ports(default_home(), folder)
    try:
        start_all(list(servers.values()))
        yield Stack(name, _settings(name, servers, folder), servers)
    finally:
        for each in servers.values():
            each.kill9()


def _settings(name: str, servers: dict[str, Server], folder: Path) -> dict[str, str]:
    if name == "real":
        return variables(servers, folder)
    server = servers.get("minio")
    if not isinstance(server, Minio):
        return {}
    named = {"CHAT4ALL_OBJECTS": f"s3://{server.address}/chat4all"}
    return named | {"MINIO_ACCESS_KEY": server.user, "MINIO_SECRET_KEY": server.password}
