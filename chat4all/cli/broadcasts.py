"""Commands about broadcasts, for a service client with scopes send and manage."""

import csv
import sys
import time
from typing import Annotated, Any

import typer

from chat4all.cli.contents import AsJson
from chat4all.cli.printing import printable, say, say_json
from chat4all.cli.session import SERVERS

WATCH_S = 1.0
COLUMNS = ["contact_id", "outcome", "reason", "address", "message_id", "conversation_id"]

app = typer.Typer()
broadcasts = typer.Typer(help="One message to all contacts with a tag.", no_args_is_help=True)
app.add_typer(broadcasts, name="broadcasts")


@broadcasts.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Print all broadcasts."""
    for each in SERVERS.client().broadcasts():
        say_json(each) if as_json else say(_line(each))


@broadcasts.command()
def create(
    channel: str,
    tag: str,
    text: list[str],
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    sender: Annotated[str | None, typer.Option("--from", help="Who says it.")] = None,
    rate: Annotated[int, typer.Option(help="Messages a second at most.")] = 20,
) -> None:
    """Write one to every contact with this tag. Nothing is sent before it is started."""
    payload = {"type": "text", "text": " ".join(text)}
    more = {"from_": sender} if sender else {}
    made = SERVERS.client().create_broadcast(channel, tag, payload, name=name, rate=rate, **more)
    say(f"broadcast {made['broadcast_id']}")


@broadcasts.command()
def start(broadcast_id: str) -> None:
    """Begin, or go on after a pause."""
    say(_line(SERVERS.client().start_broadcast(broadcast_id)))


@broadcasts.command()
def pause(broadcast_id: str) -> None:
    """Nobody else has their turn until it is started again."""
    say(_line(SERVERS.client().pause_broadcast(broadcast_id)))


@broadcasts.command()
def stop(broadcast_id: str) -> None:
    """As a pause, for good."""
    say(_line(SERVERS.client().stop_broadcast(broadcast_id)))


@broadcasts.command()
def watch(broadcast_id: str) -> None:
    """Print how far it has come, each second while it runs."""
    client = SERVERS.client()
    while True:
        found = client.broadcast(broadcast_id)
        say(_line(found))
        if found["state"] != "running":
            return
        time.sleep(WATCH_S)


@broadcasts.command()
def results(broadcast_id: str) -> None:
    """Print what came of each contact's turn, as CSV."""
    writer = csv.DictWriter(sys.stdout, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(SERVERS.client().broadcast_results(broadcast_id))


def _line(broadcast: dict[str, Any]) -> str:
    counts = ", ".join(f"{number} {outcome}" for outcome, number in broadcast["counts"].items())
    name = f"  {printable(broadcast['name'])}" if broadcast.get("name") else ""
    whom = f"{broadcast['channel']} #{printable(broadcast['audience']['tag'])}"
    return f"{broadcast['broadcast_id']}  {broadcast['state']}{name}  {whom}  {counts}"
