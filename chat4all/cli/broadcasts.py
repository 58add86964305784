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
COLUMNS = ["contact_id", "outcome", "reason", "address", "message_id", "conversation_id", "due_at"]

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
    tag: Annotated[str, typer.Argument(help='Of whom it goes to; "" with --to.')],
    text: Annotated[list[str] | None, typer.Argument(help="Its words, if it is no template.")] = None,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    sender: Annotated[str | None, typer.Option("--from", help="Who says it.")] = None,
    rate: Annotated[int, typer.Option(help="Messages a second at most.")] = 20,
    to: Annotated[typer.FileText | None, typer.Option(help="CSV with a column address: whom it goes to.")] = None,
    template: Annotated[str, typer.Option(help="name/language of a template to send in place of words.")] = "",
    body: Annotated[list[str] | None, typer.Option(help="What fills a place of the template's body. Repeat it.")] = None,
    quiet: Annotated[str, typer.Option(help="When nobody is told, by their clock, such as 21:00-08:00.")] = "",
    zone: Annotated[str, typer.Option(help="Time zone of whom none is known.")] = "UTC",
) -> None:
    """Write one to every contact with this tag, or to the addresses in a table. Nothing is sent before it is started."""
    if bool(tag) == bool(to):
        raise typer.BadParameter('a tag, or --to with "" as the tag')
    more: dict[str, Any] = {"from_": sender} if sender else {}
    if quiet:
        begin, _, end = quiet.partition("-")
        more["quiet_hours"] = {"from": begin, "until": end, "time_zone": zone}
    client, addresses = SERVERS.client(), _addresses(to) if to else []
    payload = _payload(" ".join(text or []), template, body or [])
    made = client.create_broadcast(channel, tag, payload, name=name, rate=rate, **more)
    if addresses:
        client.add_audience(made["broadcast_id"], addresses)
    say(f"broadcast {made['broadcast_id']}")


def _payload(text: str, template: str, body: list[str]) -> dict[str, Any]:
    if not template:
        return {"type": "text", "text": text}
    name, _, language = template.partition("/")
    return {"type": "template", "name": name, "language": language, "parameters": {"body": body}}


def _addresses(table: typer.FileText) -> list[str]:
    rows = csv.DictReader(table)
    if "address" not in (rows.fieldnames or []):
        raise typer.BadParameter("a table whose first line names a column: address")
    return [row["address"] for row in rows if row["address"]]


@broadcasts.command()
def estimate(broadcast_id: str) -> None:
    """Print what it would cost now, country by country."""
    found = SERVERS.client().estimate_broadcast(broadcast_id)
    for each in found["countries"]:
        price = f"  {each['price']} {each['currency']} each: {each['amount']} {each['currency']}" if "price" in each else ""
        say(f"{each['country'] or '?'}  {each['messages']}{price}")
    totals = ", ".join(f"{each['amount']} {each['currency']}" for each in found["totals"]) or "no prices"
    category = found["category"] or "unknown category"
    say(f"{found['messages']} messages, {category}: {totals}, {found['unpriced']} without a price")
    if budget := found.get("daily_budget"):
        waits = f"; some wait for {budget['waits_days']} days" if budget["waits_days"] else ""
        say(f"{budget['left']} people are left of {budget['people_per_day']} that the account may write to in a day{waits}")


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
    """Print how far it has come, each second while it runs: on a terminal in one line that changes."""
    client, is_live = SERVERS.client(), sys.stdout.isatty()
    while True:
        found = client.broadcast(broadcast_id)
        is_over = found["state"] != "running"
        say(f"\r\x1b[K{_line(found)}" if is_live else _line(found), nl=is_over or not is_live)
        if is_over:
            return
        time.sleep(WATCH_S)


@broadcasts.command()
def results(
    broadcast_id: str,
    out: Annotated[typer.FileTextWrite | None, typer.Option(help="A file to write in place of printing.")] = None,
) -> None:
    """Print what came of each turn, as CSV."""
    writer = csv.DictWriter(out or sys.stdout, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(SERVERS.client().broadcast_results(broadcast_id))


def _line(broadcast: dict[str, Any]) -> str:
    counts = ", ".join(f"{number} {outcome}" for outcome, number in broadcast["counts"].items())
    name = f"  {printable(broadcast['name'])}" if broadcast.get("name") else ""
    tag = broadcast["audience"].get("tag")
    whom = f"{broadcast['channel']} {'#' + printable(tag) if tag else 'a list'}"
    waits = f"  until {broadcast['waits']['until']} the account has spent its day" if "waits" in broadcast else ""
    return f"{broadcast['broadcast_id']}  {broadcast['state']}{name}  {whom}  {counts}{waits}"
