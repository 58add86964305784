"""The object stores under test, and what their suite shares. A new adapter is one more line in OBJECT_STORES."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import pytest
import requests
from limits.storage import MemoryStorage
from werkzeug.serving import make_server

from bridges.objects import serving
from chat4all.ports import ObjectStore, Part
from chat4all.settings import Settings
from ops.native.minio import Minio
from ops.native.processes import free_port
from storage.object_store.folder import FolderStore
from storage.open import open_objects
from tests.ops.real import home_with, running
from tests.webapp.channels import both
from webapp.app import create_app
from webapp.requests.gateway import KEY

PART = 5 << 20
TIMEOUT_S = 30

_running: dict[str, Minio] = {}


@dataclass(frozen=True)
class Adapter:
    """How to test a store: settings for a folder of the test's own, who serves its URLs, how to kill it and start it again.

    `server`: the fixture that runs the server, for a store that has one.
    """

    settings: Callable[[Path], Settings]
    serving: Callable[[Settings], object]
    kill_and_restart: Callable[[], None]
    server: str = ""


@pytest.fixture(scope="package")
def minio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    """The MinIO that every contract test shares."""
    server = Minio(home_with(Minio), tmp_path_factory.mktemp("minio"), free_port())
    with running(server), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIO_ACCESS_KEY", server.user)
        patch.setenv("MINIO_SECRET_KEY", server.password)
        _running["minio"] = server
        yield server
    del _running["minio"]


def minio_settings(folder: Path) -> Settings:
    """Settings that name a bucket of the test's own."""
    return Settings(data=folder, objects=f"s3://{_running['minio'].address}/chat4all-{uuid4().hex[:12]}", broker="memory://")


def kill_and_restart_minio() -> None:
    """kill -9, and start again."""
    _running["minio"].kill9()
    _running["minio"].start()


def folder_settings(folder: Path) -> Settings:
    """Settings that name a folder, and a port that nobody listens on."""
    return Settings(data=folder, objects_port=free_port(), broker="memory://")


def gateway_settings(folder: Path) -> Settings:
    """The same, where only the gateway can be reached from outside."""
    port = free_port()
    return Settings(data=folder, gateway_port=port, public_url=f"http://127.0.0.1:{port}", broker="memory://")


@contextmanager
def loop(settings: Settings) -> Iterator[None]:
    """The process that serves a folder's URLs, as a thread."""
    store, ends, begun = open_objects(settings), asyncio.Event(), Event()
    assert isinstance(store, FolderStore)
    running = asyncio.new_event_loop()

    async def serve() -> None:
        async with serving(store, settings):
            begun.set()
            await ends.wait()

    thread = Thread(target=lambda: running.run_until_complete(serve()), daemon=True)
    thread.start()
    assert begun.wait(TIMEOUT_S)
    try:
        yield
    finally:
        running.call_soon_threadsafe(ends.set)
        thread.join()
        running.run_until_complete(running.shutdown_asyncgens())
        running.close()
        store.close()


@contextmanager
def gateway(settings: Settings) -> Iterator[None]:
    """A gateway that serves the URLs."""
    app = create_app(settings, both(), MemoryStorage())
    server = make_server(settings.host, settings.gateway_port, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        app.extensions[KEY].close()


@contextmanager
def by_itself(_settings: Settings) -> Iterator[None]:
    """The store's own server serves the URLs."""
    yield


def nothing_to_kill() -> None:
    """For a store that runs inside its users."""


OBJECT_STORES: dict[str, Adapter] = {
    "folder": Adapter(folder_settings, loop, nothing_to_kill),
    "folder at the gateway": Adapter(gateway_settings, gateway, nothing_to_kill),
    "s3": Adapter(minio_settings, by_itself, kill_and_restart_minio, "minio_server"),
}
PARAMETERS = [pytest.param(name, marks=pytest.mark.real) if each.server else name for name, each in OBJECT_STORES.items()]


@pytest.fixture(params=PARAMETERS)
def objects_adapter(request: pytest.FixtureRequest) -> Adapter:
    """Each adapter in turn, with its server running."""
    adapter = OBJECT_STORES[request.param]
    if adapter.server:
        request.getfixturevalue(adapter.server)
    return adapter


@pytest.fixture
def objects_settings(objects_adapter: Adapter, tmp_path: Path) -> Settings:
    """Settings that name a store."""
    return objects_adapter.settings(tmp_path)


@pytest.fixture
def objects(objects_adapter: Adapter, objects_settings: Settings) -> Iterator[ObjectStore]:
    """An open store whose URLs are served."""
    opened = open_objects(objects_settings)
    with objects_adapter.serving(objects_settings):  # type: ignore[attr-defined]
        yield opened
    opened.close()


def new_key() -> str:
    """A key that nobody has used."""
    return str(uuid4())


def bring(store: ObjectStore, key: str, upload: str, number: int, data: bytes) -> int:
    """PUT a part to its URL; the status."""
    url = store.sign_part(key, upload, number, len(data), 60)
    return requests.put(url, data=data, timeout=TIMEOUT_S).status_code


def uploaded(store: ObjectStore, key: str, *parts: bytes) -> list[Part]:
    """Bring parts and join them."""
    upload = store.begin(key)
    for number, data in enumerate(parts, 1):
        assert bring(store, key, upload, number, data) == 200
    there = store.parts(key, upload)
    store.join(key, upload, there)
    return there


def content(store: ObjectStore, key: str, first: int = 0, last: int | None = None) -> bytes:
    """What `read` gives, whole."""
    return b"".join(store.read(key, first, last))
