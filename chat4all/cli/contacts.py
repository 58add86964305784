"""Commands about contacts, for a service client with scope manage."""

import csv
import io
import json
import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import click
import typer

from chat4all.cli.contents import AsJson
from chat4all.cli.printing import printable, say, say_json
from chat4all.cli.session import SERVERS

# Rows in one request.
AT_ONCE = 500

app = typer.Typer()
contacts = typer.Typer(help="People known by an address, and what is kept about them.", no_args_is_help=True)
app.add_typer(contacts, name="contacts")


@contacts.command("list")
def list_all(
    tag: Annotated[str, typer.Option(help="Only those that have it.")] = "",
    limit: Annotated[int | None, typer.Option(help="At most so many.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print contacts, one a line."""
    for each in islice(SERVERS.client().contacts(tag), limit):
        say_json(each) if as_json else say(_line(each))


@contacts.command()
def show(contact_id: str) -> None:
    """Print a contact."""
    say_json(SERVERS.client().contact(contact_id))


@contacts.command()
def change(
    contact_id: str,
    name: Annotated[str | None, typer.Option(help="What the team calls them; an empty text: as they call themselves.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="All tags that they are to have; repeat it.")] = None,
    notes: Annotated[str | None, typer.Option(help="For the team alone.")] = None,
    attribute: Annotated[list[str] | None, typer.Option(help="name=value, all that they are to have; repeat it.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Such as America/Sao_Paulo.")] = None,
) -> None:
    """Change what is kept about a contact. What is left out stays."""
    attributes = dict(map(_attribute, attribute)) if attribute else None
    chosen = {"display_name": name, "tags": tag or None, "notes": notes, "attributes": attributes, "time_zone": time_zone}
    say_json(SERVERS.client().change_contact(contact_id, **{key: value for key, value in chosen.items() if value is not None}))


@contacts.command()
def merge(contact_id: str, other: Annotated[str, typer.Argument(help="Who is the same person.")]) -> None:
    """Have two contacts be one. Where they say something else, what is kept of the first counts. `unmerge` undoes it."""
    say_json(SERVERS.client().merge_contacts(contact_id, other))


@contacts.command()
def unmerge(
    contact_id: str, other: Annotated[str, typer.Argument(help="Who is apart again; else whoever was merged last.")] = ""
) -> None:
    """Undo a merge of contacts."""
    say_json(SERVERS.client().unmerge_contact(contact_id, other))


@contacts.command()
def consent(contact_id: str, channel: str, state: Annotated[str, typer.Argument(help="granted or revoked.")]) -> None:
    """Say for a contact whether they want what they did not ask for, such as broadcasts, on a channel."""
    say_json(SERVERS.client().set_consent(contact_id, channel, state))


@contacts.command()
def block(contact_id: str) -> None:
    """Send nothing to a contact, and keep nothing of what they write."""
    say_json(SERVERS.client().block_contact(contact_id))


@contacts.command()
def unblock(contact_id: str) -> None:
    """Block a contact no longer."""
    say_json(SERVERS.client().block_contact(contact_id, False))


Table = Annotated[Path, typer.Argument(exists=True, dir_okay=False, allow_dash=True, help="In UTF-8; - for stdin.")]


@contacts.command("import")
def import_all(file: Table) -> None:
    """Bring in contacts from a CSV file. Twice is as once; a line that is wrong is said and passed over.

    The first line names columns: address (channel:address), and as you like display_name, tags (blanks between), notes,
    time_zone, attribute.NAME. An empty cell changes nothing.
    """
    client, made, wrong = SERVERS.client(), 0, 0
    with click.open_file(str(file), encoding="utf-8-sig") as opened:
        reader = csv.reader(opened)
        head = next(reader, [])
        while some := list(islice(((reader.line_num, row) for row in reader), AT_ONCE)):
            written = io.StringIO()
            csv.writer(written).writerows([head, *(row for _, row in some)])
            outcome = client.import_contacts(written.getvalue())
            made += outcome["contacts"]
            for each in outcome["errors"]:
                wrong += 1
                say(f"line {_line_of(each['line'], some)}: {each['detail']}")
    say(f"{made} contacts")
    if wrong:
        raise typer.Exit(1)


def _line_of(line: int, rows: list[tuple[int, list[str]]]) -> int:
    """In the file, of a line of what was sent of it: cells may have several lines there."""
    last = 1
    for number, row in rows:
        last += 1 + sum(each.count("\n") for each in row)
        if line <= last:
            return number
    return rows[-1][0]


@contacts.command()
def export(tag: Annotated[str, typer.Option(help="Only those that have it.")] = "") -> None:
    """Print contacts as CSV that `import` takes: a line for each address."""
    for page in SERVERS.client().export_contacts(tag):
        sys.stdout.write(page)


def _attribute(text: str) -> tuple[str, Any]:
    """(name, value): numbers, true and false are what they look like, all else is a text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text}: name=value is needed", param_hint="--attribute")
    try:
        read = json.loads(value)
    except ValueError:
        return name, value
    return name, read if isinstance(read, int | float | bool) else value


def _line(contact: dict[str, Any]) -> str:
    addresses = ", ".join(f"{each['channel']}:{printable(each['address'])}" for each in contact["addresses"])
    tags = "".join(f" #{printable(each)}" for each in contact["tags"])
    return f"{contact['contact_id']}  {printable(contact.get('display_name') or '-')}{tags}  {addresses}"
