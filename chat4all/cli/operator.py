"""Commands for operators. They open the log and the store themselves, at the addresses in the settings."""

import sqlite3
from collections.abc import Iterator
from typing import Annotated
from uuid import uuid4

import typer

from chat4all.cli import starting
from chat4all.cli.printing import clock, printable, say, say_json
from chat4all.cli.running import beside_running
from chat4all.cli.session import SERVERS
from chat4all.model.callers import SCOPES
from chat4all.model.failures import Permanent, Temporary
from chat4all.model.files import readable_size
from chat4all.model.records import TOPICS, Range, Record
from chat4all.ports import EventLog
from chat4all.services.access import credentials, tokens
from chat4all.services.access.logins import Logins
from chat4all.settings import EMBEDDED
from storage import shrinking
from storage.open import open_log, open_store

app = typer.Typer()
clients = typer.Typer(help="Service clients.", no_args_is_help=True)
logs = typer.Typer(help="The event log.", no_args_is_help=True)
app.add_typer(clients, name="client")
app.add_typer(logs, name="log")

READ_S = 10.0
POLL_S = 0.5


@clients.command()
def create(
    name: str,
    scope: Annotated[list[str], typer.Option(help=f"Repeatable, or with commas: {', '.join(SCOPES)}.")],
) -> None:
    """Make a service client and print its secret: it is shown only now."""
    scopes = [one.strip() for each in scope for one in each.split(",") if one.strip()]
    store = open_store(beside_running())
    try:
        secret = credentials.create_client(store, name, scopes)
    except (ValueError, credentials.Taken) as error:
        raise Permanent("refused", str(error)) from None
    finally:
        store.close()
    say_json({"client_id": name, "client_secret": secret, "scopes": scopes})


@clients.command("list")
def list_clients() -> None:
    """Print the service clients, one a line."""
    store = open_store(beside_running())
    try:
        names = credentials.client_names(store)
        for user in (store.users(names).get(each) for each in names):
            if user:
                say_json({"client_id": user.user_id, "scopes": list(user.scopes)})
    finally:
        store.close()


@clients.command()
def rotate(name: str) -> None:
    """Give a service client another secret and print it: it is shown only now. The old one and its logins end."""
    settings = beside_running()
    store = open_store(settings)
    try:
        _, secret = credentials.rotate_client(store, Logins(store, settings), name)
    except credentials.Nobody as error:
        raise Permanent("unknown", str(error)) from None
    finally:
        store.close()
    say_json({"client_id": name, "client_secret": secret})


@clients.command()
def delete(name: str) -> None:
    """Take a service client away. Its logins end, and its name is never anybody else's."""
    settings = beside_running()
    store = open_store(settings)
    try:
        credentials.delete_client(store, Logins(store, settings), name)
    except credentials.Nobody as error:
        raise Permanent("unknown", str(error)) from None
    finally:
        store.close()
    say(f"deleted {name}")


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="A service client or user of this system; left out: who is logged in.")] = "",
) -> None:
    """Print an access token."""
    if not name:
        say(SERVERS.client().token())
        return
    settings = beside_running()
    store = open_store(settings)
    generation, user = store.generation(), store.users([name]).get(name)
    store.close()
    if user is None:
        raise Permanent("unknown", f"there is no {name}")
    if user.disabled_at:
        raise Permanent("disabled", f"{name} is disabled")
    generation = max(generation, user.valid_from)
    say(tokens.issue(user, tokens.ACCESS, settings.token_s, settings.secret("jwt"), f"cli-{uuid4()}", generation))


@app.command()
def compact() -> None:
    """Give unused space of the embedded store and log back to the disk, and have them do so by themselves from now on.

    Once after an update from a version that could not; with the service stopped. Needs as much free space as the largest file.
    """
    settings = beside_running()
    starting.check_alone(settings)
    embedded = [settings.data / each.partition(":")[2] for each in (settings.store, settings.log) if each.startswith(EMBEDDED)]
    for path in [file for each in embedded for file in (sorted(each.glob("*.topic")) if each.is_dir() else [each])]:
        if path.exists():
            try:
                before, after = shrinking.compact(path)
            except sqlite3.Error as error:
                raise Temporary("store", f"{path.name}: {error}") from error
            say(f"{path.name}: {readable_size(before)}, now {readable_size(after)}")


@logs.command()
def tail(
    topic: Annotated[str, typer.Argument(help=", ".join(TOPICS))],
    number: Annotated[int, typer.Option("-n", help="The last so many of each partition.", min=0)] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    values: Annotated[bool, typer.Option(help="Print contents too: people's words.")] = False,
) -> None:
    """Print the records at the end of a topic."""
    log = open_log(beside_running())
    try:
        log.topic(topic)
        ends = log.ends(topic)
        for record in _last(log, topic, ends, number):
            say(_line(record, values))
        if follow:
            _follow(log, topic, {partition: end for partition, (_, end) in ends.items()}, values)
    except KeyboardInterrupt:
        return
    finally:
        log.close()


def _last(log: EventLog, topic: str, ends: dict[int, tuple[int, int]], number: int) -> Iterator[Record]:
    """The last records of each partition, by the time they were appended."""
    ranges = [Range(each, max(first, end - number), end - 1) for each, (first, end) in ends.items() if min(number, end - first)]
    records = log.read(topic, ranges, READ_S) if ranges else []
    yield from sorted(records, key=lambda record: (record.at, record.partition, record.offset))


def _follow(log: EventLog, topic: str, positions: dict[int, int], values: bool) -> None:
    consumer = log.follow(topic, positions)
    try:
        while True:
            for record in consumer.poll(100, POLL_S):
                say(_line(record, values))
    finally:
        consumer.close()


def _line(record: Record, values: bool) -> str:
    headers = " ".join(f"{name}={value}" for name, value in sorted(record.headers.items()))
    place = f"{record.partition}:{record.offset}"
    line = f"{clock(record.at)}  {place:<12} {record.key}  {len(record.value)} bytes  {headers}".rstrip()
    return f"{line}\n    {printable(record.value.decode(errors='replace'))}" if values else line
