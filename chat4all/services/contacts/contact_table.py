"""Contacts as a table in CSV: a line for each address, that a spreadsheet shows and that comes in again. Pure; no I/O."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chat4all.model.contacts import Attribute
from chat4all.services.contacts.contact_book import Contact

ADDRESS, TAGS, ATTRIBUTE = "address", "tags", "attribute."
WORDS = ("display_name", "notes", "time_zone")
COLUMNS = (ADDRESS, "display_name", TAGS, "notes", "time_zone", "attributes")
ROWS_MOST = 500
# A spreadsheet takes what begins so for a formula, and would run what a stranger calls themselves.
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


class NoTable(ValueError):
    """This is no table of contacts; the text says why."""


def rows(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(line, channel:address, what is said of them) of each row. An empty cell says nothing. NoTable: it cannot be read."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        names = reader.fieldnames or []
        if ADDRESS not in names or len(set(names)) < len(names):
            raise NoTable(f"the first line names the columns, each once: {ADDRESS}, and of {', '.join(COLUMNS[1:])}")
        for number, row in enumerate(reader, 1):
            if number > ROWS_MOST:
                raise NoTable(f"at most {ROWS_MOST} rows at once")
            said = {name: _plain(value) for name, value in row.items() if isinstance(name, str) and value}
            yield reader.line_num, said.get(ADDRESS, "").strip(), _about(said, reader.line_num)
    except csv.Error as error:
        raise NoTable(str(error)) from None


def table(contacts: Iterable[Contact], with_head: bool) -> str:
    """These contacts. `with_head`: the names of the columns come first."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    if with_head:
        writer.writerow(COLUMNS)
    for each in contacts:
        profile = each.profile
        attributes = json.dumps(profile.attributes, ensure_ascii=False, sort_keys=True) if profile.attributes else ""
        about = (each.user.display_name, " ".join(profile.tags), profile.notes, profile.time_zone, attributes)
        for place in each.addresses:
            writer.writerow([f"{place.channel}:{place.address}", *map(_shown, about)])
    return written.getvalue()


def _about(said: Mapping[str, str], line: int) -> dict[str, Any]:
    named: dict[str, Attribute] = {
        name.removeprefix(ATTRIBUTE): value for name, value in said.items() if name.startswith(ATTRIBUTE)
    }
    attributes = _attributes(said["attributes"], line) | named if "attributes" in said else named
    return {
        **{name: said[name] for name in WORDS if name in said},
        **({TAGS: said[TAGS].split()} if TAGS in said else {}),
        **({"attributes": attributes} if attributes else {}),
    }


def _attributes(text: str, line: int) -> dict[str, Attribute]:
    try:
        read = json.loads(text)
    except ValueError:
        read = None
    if not isinstance(read, dict) or not all(isinstance(each, str | int | float | bool) for each in read.values()):
        raise NoTable(f"line {line}: attributes: a JSON object of texts, numbers, true and false")
    return read


def _shown(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULAS) else text


def _plain(text: str) -> str:
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULAS) else text
