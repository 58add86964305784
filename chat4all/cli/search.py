"""Commands that find something, and the one that has the search index made anew."""

from contextlib import closing
from itertools import islice
from typing import Annotated, Any

import typer

from chat4all.cli.contents import AsJson
from chat4all.cli.printing import clock_of, printable, say, say_json
from chat4all.cli.running import beside_running
from chat4all.cli.session import SERVERS
from chat4all.settings import SettingsError
from storage.open import open_search

app = typer.Typer()
search = typer.Typer(help="Find messages and contacts.", no_args_is_help=True)
app.add_typer(search, name="search")

Limit = Annotated[int, typer.Option(help="At most so many.")]


@search.command()
def messages(
    words: list[str],
    conversation: Annotated[str | None, typer.Option(help="Only of this conversation.")] = None,
    since: Annotated[str | None, typer.Option(help="Only of this time (RFC 3339) or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Only from before this time.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="Only of this type: text, media, ...")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """Print messages with all these words, newest first; the last word may be only begun."""
    only = {"conversation": conversation, "since": since, "until": until, "type": kind}
    wanted = {name: value for name, value in only.items() if value is not None}
    for each in islice(SERVERS.client().search(" ".join(words), **wanted), limit):
        say_json(each) if as_json else say(_line(each))


@search.command()
def contacts(words: list[str], limit: Limit = 20, as_json: AsJson = False) -> None:
    """Print who is called so, or has such an address. Needs scope manage."""
    for each in islice(SERVERS.client().search_contacts(" ".join(words)), limit):
        addresses = " ".join(f"{address['channel']}:{address['address']}" for address in each.get("identities", ()))
        say_json(each) if as_json else say(printable(f"{each['user_id']}  {each.get('display_name', '')}  {addresses}"))


@search.command()
def rebuild() -> None:
    """Have the index of this machine made anew of the store; the indexer does it, or does when it starts."""
    index = open_search(beside_running())
    if index is None:
        raise SettingsError("search is off: set CHAT4ALL_SEARCH, for example to sqlite:search.db")
    with closing(index):
        index.migrate()
        index.want_anew()
    say("the indexer empties the index and makes it anew; chat4all_search_building is 0 when that is done")


def _line(found: dict[str, Any]) -> str:
    text = printable(" ".join(found["snippet"]["text"].split()))
    return f"{clock_of(found['accepted_at'])}  {found['sender']}: {text}  [{found['conversation_id']} {found['message_id']}]"
