"""The command that says who is there, and hides oneself."""

from typing import Annotated

import typer

from chat4all.cli.contents import AsJson
from chat4all.cli.printing import clock_of, printable, say, say_json
from chat4all.cli.session import SERVERS
from chat4all.client import ApiError

app = typer.Typer()


@app.command()
def presence(
    user_ids: Annotated[list[str] | None, typer.Argument(help="Of whom to say it.")] = None,
    hidden: Annotated[
        bool | None, typer.Option("--hide/--show", help="Hide from everybody that you are there, or show it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say who is there, and when the others were last; with --hide or --show, whether you are seen."""
    client = SERVERS.client()
    if not user_ids and hidden is None:
        raise ApiError(0, "nobody", "whose? Give user ids, or --hide or --show")
    found = [] if hidden is None else [client.hide_presence(hidden)]
    for each in [*found, *(client.presence(*user_ids) if user_ids else ())]:
        if as_json:
            say_json(each)
        else:
            seen = f"last seen at {clock_of(each['last_seen'])}" if each.get("last_seen") else "not there"
            state = "hidden" if each.get("hidden") else "there" if each["online"] else seen
            say(f"{printable(each['user_id'])}  {state}")
