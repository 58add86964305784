"""The recorded payloads: tests/payloads/<channel>/*.json, one webhook a file, and errors.json with a table of answers."""

import json
from pathlib import Path
from typing import Any

import msgspec

from chat4all.channels import CHANNELS
from chat4all.model.records import ProviderReceipt
from chat4all.ports import Aside, Consented, Inbound, Moved, Named, Reached, Unclaimed, Unreadable, Update

FOLDER = Path(__file__).parent.parent / "payloads"
TYPES: dict[str, Any] = {
    "inbound": Inbound,
    "receipt": ProviderReceipt,
    "moved": Moved,
    "named": Named,
    "consented": Consented,
    "reached": Reached,
    "unreadable": Unreadable,
    "unclaimed": Unclaimed,
    "aside": Aside,
}


def webhooks() -> list[tuple[str, str]]:
    """(channel, name) of every recorded webhook."""
    found = sorted((path.parent.name, path.stem) for path in FOLDER.glob("*/*.json"))
    return [(channel, name) for channel, name in found if name != "errors"]


def webhook(channel: str, name: str) -> tuple[bytes, list[Update]]:
    """Its raw body, and what must be read from it."""
    recorded = json.loads((FOLDER / channel / f"{name}.json").read_text())
    body = recorded["raw"] if "raw" in recorded else json.dumps(recorded["webhook"])
    return body.encode(), [_update(each) for each in recorded["expect"]]


def errors() -> list[tuple[str, dict[str, Any]]]:
    """(channel, row) of every recorded answer to a send that is no success."""
    return [(name, row) for name in CHANNELS for row in json.loads((FOLDER / name / "errors.json").read_text())]


def _update(expected: dict[str, Any]) -> Update:
    fields = dict(expected)
    update: Update = msgspec.convert(fields, TYPES[fields.pop("type")])
    return update
