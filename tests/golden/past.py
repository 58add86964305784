"""Golden data: reads it, and puts a deployment of then into a folder."""

import json
import sqlite3
from base64 import b64decode
from contextlib import closing
from pathlib import Path
from typing import Any

from chat4all.model.records import EVENTS, Record

THEN = Path(__file__).parent / "e524405"


def golden(name: str) -> Any:
    """The value in this file."""
    return json.loads((THEN / name).read_text())


def records(*topics: str) -> list[Record]:
    """The records of these topics, by topic, partition and offset."""
    return [_record(each) for each in golden("records.json") if each["topic"] in topics]


def _record(each: dict[str, Any]) -> Record:
    value = b64decode(each["bytes"]) if each["topic"] == EVENTS else each["value"].encode()
    return Record(each["topic"], each["partition"], each["offset"], each["key"], value, each["headers"], each["at"])


def of_version_3() -> list[tuple[Record, bytes]]:
    """Records of messages of every kind of content that came with version 3, each with the event that readers got of it."""
    kept = json.loads((THEN.parent / "version3" / "records.json").read_text())
    return [(_record(each), b64decode(each["event"])) for each in kept]


def restore(folder: Path, *, store: bool = True) -> None:
    """Make `folder` the data folder of then: its log, and its store unless it is to be made again from the log."""
    (folder / "log").mkdir(parents=True)
    for dump in THEN.glob("chat-*.sql"):
        _load(dump, folder / "log" / f"{dump.stem}.topic")
    if store:
        _load(THEN / "store.sql", folder / "store.db")


def _load(dump: Path, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(dump.read_text())
        db.execute("PRAGMA journal_mode=WAL")


def shapes() -> dict[str, dict[str, list[str]]]:
    """By version of the format, the fields of each kind in their order; those with a question mark may be left out."""
    kept: dict[str, dict[str, list[str]]] = json.loads((THEN.parent / "shapes.json").read_text())
    return kept
