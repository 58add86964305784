"""The commands that count conversations and costs, for a service client with scope manage."""

import csv
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from chat4all.cli.contents import AsJson
from chat4all.cli.printing import printable, say_json
from chat4all.cli.session import SERVERS

app = typer.Typer()


@app.command()
def report(
    since: Annotated[str, typer.Argument(help="A day, such as 2026-03-01, or a time with its zone.")],
    until: Annotated[str, typer.Argument(help="Not included; at most 31 days later.")],
    by: Annotated[str, typer.Option(help="Any of day, channel, account, agent, label, with commas.")] = "day",
    as_json: AsJson = False,
) -> None:
    """Count conversations that began, were answered and closed, and messages, as CSV."""
    _say(SERVERS.client().report(since, until, by.split(",") if by else ()), as_json)


@app.command()
def costs(
    since: Annotated[str, typer.Argument(help="A day, such as 2026-03-01, or a time with its zone.")],
    until: Annotated[str, typer.Argument(help="Not included; at most 31 days later.")],
    by: Annotated[
        str, typer.Option(help="Any of day, channel, account_id, category, with commas.")
    ] = "day,account_id,category",
    as_json: AsJson = False,
) -> None:
    """Count the deliveries that providers charge, as CSV."""
    _say(SERVERS.client().cost_report(since, until, by.split(",") if by else ()), as_json)


def _say(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        for each in rows:
            say_json(each)
    elif rows:
        writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: printable(value) if isinstance(value, str) else value for name, value in each.items()} for each in rows
        )
