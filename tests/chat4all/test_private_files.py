"""Whatever is in the data folder is its owner's alone, from the start and after an older version."""

import os
from pathlib import Path

import pytest

from chat4all.cli.starting import prepare
from chat4all.model.records import INCOMING, NewRecord
from chat4all.private_files import private_file, private_folder, tighten
from chat4all.settings import Settings
from storage.open import open_log, open_store


@pytest.fixture(autouse=True)
def _lax() -> object:
    """The usual umask of a machine, whoever runs the tests."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """The modes of a folder and all that is below it."""
    return {str(each.relative_to(folder)): each.stat().st_mode & 0o777 for each in (folder, *folder.rglob("*"))}


def open_to_others(folder: Path) -> dict[str, str]:
    """What anybody but the owner may do anything with."""
    return {name: oct(mode) for name, mode in modes(folder).items() if mode & 0o077}


def use(settings: Settings) -> None:
    """Write to the log and the store, and look while -wal and -shm are there."""
    log, store = open_log(settings), open_store(settings)
    log.append([NewRecord(INCOMING, 0, "k", b"v", {})], 5)
    store.users(["demo"])
    names = modes(settings.data)
    assert {"store.db", "store.db-wal", "store.db-shm", f"log/{INCOMING}.topic-wal"} <= names.keys()
    assert open_to_others(settings.data) == {}
    log.close()
    store.close()


def test_a_new_data_folder_is_private_also_with_a_lax_umask(tmp_path: Path) -> None:
    """Store, log, secrets, demo passwords, and what SQLite puts beside them."""
    settings = Settings(data=tmp_path / "data")
    prepare(settings)
    use(settings)


def test_an_older_folder_is_tightened_at_the_start(tmp_path: Path) -> None:
    """store.db was readable by everybody on the machine."""
    settings = Settings(data=tmp_path / "data")
    prepare(settings)
    for each in (settings.data, *settings.data.rglob("*")):
        each.chmod(0o755 if each.is_dir() else 0o644)
    (settings.data / "objects").mkdir(mode=0o755)
    prepare(settings)
    use(settings)


def test_links_and_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    """What a link leads to is not ours to change, and a folder that everybody uses stays so."""
    outside, data = tmp_path / "outside", tmp_path / "data"
    outside.write_text("x")
    outside.chmod(0o644)
    private_folder(data)
    (data / "link").symlink_to(outside)
    tighten(data)
    assert outside.stat().st_mode & 0o777 == 0o644
    data.chmod(0o1777)
    tighten(data)
    assert data.stat().st_mode & 0o7777 == 0o1777


def test_a_file_is_private_before_anything_is_in_it(tmp_path: Path) -> None:
    """Made with its mode, not changed afterwards; one that is there keeps its content."""
    private_file(tmp_path / "new")
    (tmp_path / "old").write_text("kept")
    private_file(tmp_path / "old")
    assert open_to_others(tmp_path).keys() - {"."} == set()
    assert (tmp_path / "old").read_text() == "kept"
