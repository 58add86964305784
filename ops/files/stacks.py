"""What the uploads run on: the embedded parts with a folder, the same with MinIO, or real servers for everything."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from msgspec import Struct

from ops.harness.servers import Servers, environment, secrets_of, single
from ops.native.minio import Minio
from ops.native.processes import Server, free_port
from ops.native.stack import default_home

STACKS = ("folder", "s3", "real")


class Stack(Struct, frozen=True):
    """The settings that make a system run on it, and its servers by name, started."""

    name: str
    env: Mapping[str, str]
    servers: Mapping[str, Server]


def on_real(servers: Servers) -> Stack:
    """These servers, with topics, a keyspace and a bucket of its own."""
    return Stack("real", servers.place(f"f{token_hex(6)}"), servers.each)


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Stack]:
    """A stack of this name. StartFailed when a server does not come up, NotInstalled when it cannot be had."""
    if name == "real":
        stack = on_real(single())
        # What this process itself asks of the settings needs the same secrets.
        with environment(secrets_of(stack.env)):
            yield stack
    elif name == "s3":
        server = Minio(default_home(), folder / "minio", free_port())
        server.start()
        try:
            named = {"CHAT4ALL_OBJECTS": f"s3://{server.address}/chat4all"}
            secret = {"MINIO_ACCESS_KEY": server.user, "MINIO_SECRET_KEY": server.password}
            yield Stack(name, named | secret, {server.name: server})
        finally:
            server.kill9()
    else:
        yield Stack(name, {}, {})
