"""Uploads and downloads of the client, against a gateway over HTTP: they go on where they stopped."""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import patch

import pytest
import requests
from limits.storage import MemoryStorage
from werkzeug.serving import make_server

from chat4all.client import ApiError, Client, Tokens
from chat4all.settings import Settings
from ops.native.processes import free_port
from tests.wakes import Wakes
from tests.webapp.channels import both
from tests.webapp.driver import Driver
from tests.webapp.uploading import PART, Uploads, digest
from webapp.app import create_app

DATA = os.urandom(3 * PART + 1000)


class Stop(Exception):
    """What Ctrl-C does."""


class Bench:
    """A served gateway whose workers are at hand, ana's client, a file, and where things are noted."""

    def __init__(self, uploads: Uploads, client: Client, folder: Path) -> None:
        self.uploads, self.client, self.folder = uploads, client, folder
        self.file = folder / "tea.bin"
        self.file.write_bytes(DATA)
        self.notes = folder / "notes"
        self.told: list[int] = []

    def upload(self, stop_after: int = 0, **more: Any) -> dict[str, Any]:
        self.told = []

        def progress(more: int) -> None:
            self.told.append(more)
            if stop_after and sum(self.told) > stop_after:
                raise Stop

        return self.client.upload(self.file, self.uploads.conversation, notes=self.notes, progress=progress, parallel=1, **more)

    def begun(self) -> Any:
        """What the server knows of the upload that the note is about."""
        import msgspec

        [note] = self.notes.glob("*.json")
        return self.uploads.driver.ask("ana", "GET", f"/v1/files/{msgspec.json.decode(note.read_bytes())['file_id']}/parts")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    port = free_port()
    places = {"broker": "memory://", "gateway_port": port, "objects_url": f"http://127.0.0.1:{port}"}
    settings = Settings(data=tmp_path / "data", file_part_size=PART).model_copy(update=places)
    app = create_app(settings, both(), MemoryStorage(), Wakes())
    uploads = Uploads(Driver(app))
    server = make_server(settings.host, settings.gateway_port, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    client = Client(settings.gateway_url, tokens=Tokens(uploads.driver.tokens["ana"]), tries=2)
    yield Bench(uploads, client, tmp_path)
    client.close()
    server.shutdown()
    thread.join()
    server.server_close()
    uploads.driver.close()


def test_a_file_goes_up_and_comes_down_again(bench: Bench) -> None:
    """Byte for byte, under its own name; progress comes to the whole size; no note is left."""
    done = bench.upload()
    assert (done["status"], done["checksum"], sum(bench.told)) == ("ready", digest(DATA), len(DATA))
    assert not list(bench.notes.glob("*.json"))
    (bench.folder / "down").mkdir()
    fetched: list[int] = []
    place = bench.client.download(done["file_id"], bench.folder / "down", progress=fetched.append)
    assert (place.name, place.read_bytes(), sum(fetched)) == ("tea.bin", DATA, len(DATA))


def test_an_interrupted_upload_goes_on_by_running_it_again(bench: Bench) -> None:
    """Parts that were taken are not sent again; progress begins with them."""
    with pytest.raises(Stop):
        bench.upload(stop_after=2 * PART + 1000)
    before = bench.begun()["uploaded"]
    assert [each["number"] for each in before] == [1, 2]
    puts: list[str] = []
    real = requests.put

    def put(url: str, **more: Any) -> requests.Response:
        puts.append(url)
        return real(url, **more)

    with patch("requests.put", put):
        assert bench.upload()["status"] == "ready"
    assert len(puts) == 2
    assert bench.told[0] == 2 * PART


def test_a_file_that_changed_begins_anew(bench: Bench) -> None:
    """The note is about the file as it was."""
    with pytest.raises(Stop):
        bench.upload(stop_after=PART + 1000)
    bench.file.write_bytes(DATA[::-1])
    assert bench.upload()["checksum"] == digest(DATA[::-1])


def test_lost_connections_and_expired_urls_are_made_good(bench: Bench) -> None:
    """Each part that did not come through is brought again with a fresh URL, within the same run."""
    real, failures = requests.put, iter(["lost", "expired", "busy"])

    def put(url: str, **more: Any) -> requests.Response:
        how = next(failures, "")
        if how == "lost":
            raise requests.ConnectionError
        return real(url.replace("signature=", "signature=x") if how == "expired" else url, **more)

    with patch("requests.put", put):
        assert bench.upload()["status"] == "ready"
    assert sum(bench.told) == len(DATA)


def test_a_store_that_stays_away_is_an_error_and_keeps_the_note(bench: Bench) -> None:
    """After all tries it says so; run again later, it goes on."""
    with (
        patch("requests.put", side_effect=requests.ConnectionError),
        pytest.raises(ApiError) as caught,
    ):
        bench.upload()
    assert (caught.value.code, caught.value.may_pass) == ("store_unreachable", True)
    assert bench.upload()["status"] == "ready"


def test_an_interrupted_download_goes_on(bench: Bench) -> None:
    """From the byte where it stopped."""
    file_id = bench.upload()["file_id"]
    target, told = bench.folder / "copy.bin", []

    def stop(more: int) -> None:
        told.append(more)
        if sum(told) > PART:
            raise Stop

    with pytest.raises(Stop):
        bench.client.download(file_id, target, progress=stop)
    again: list[int] = []
    bench.client.download(file_id, target, progress=again.append)
    assert again[0] >= PART
    assert target.read_bytes() == DATA


def test_a_download_that_is_not_what_was_sent_is_thrown_away(bench: Bench) -> None:
    """Nothing stays under the name that was asked for."""
    file_id = bench.upload()["file_id"]
    [stored] = (bench.folder / "data" / "objects" / "objects").glob("*/*/00001")
    stored.write_bytes(bytes(PART))
    with pytest.raises(ApiError, match="checksum"):
        bench.client.download(file_id, bench.folder / "bad.bin")
    assert not (bench.folder / "bad.bin").exists()
