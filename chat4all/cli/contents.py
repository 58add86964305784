"""What commands send beside words, and those for what is about another message: react, vote, edit, delete, cancel."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from chat4all.channels import CHANNELS
from chat4all.cli.printing import say, say_json
from chat4all.cli.session import SERVERS
from chat4all.client import ApiError, Sent
from chat4all.model.content import Choices, Location, Option

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]
Target = Annotated[str, typer.Argument(help="A message's id.")]
Where = Annotated[str, typer.Option("--conversation", help="Its conversation, where several have such an id.")]


def payload_of(text: str, location: str, options: Sequence[str], style: str) -> Location | Choices | None:
    """What these options of `send` say beside words; None: nothing. ApiError when they make no sense."""
    if location and (text or options):
        raise ApiError(0, "bad_location", "--location stands in place of words and choices")
    if location:
        return _place(location)
    return Choices(text, tuple(map(_option, options)), style) if options else None


def outside_window(template: str, hold: bool = False) -> dict[str, Any]:
    """What `name:language[:parameter…]`, or that it is held, says of a message. ApiError when it makes no sense."""
    if template and hold:
        raise ApiError(0, "bad_template", "--or-template or --hold, not both")
    if not template:
        return {"outside_window": "hold"} if hold else {}
    name, *rest = template.split(":")
    if not name or not rest:
        raise ApiError(0, "bad_template", "--or-template name:language[:parameter…], such as hello_world:en_US")
    given = {"name": name, "language": rest[0]} | ({"parameters": {"body": rest[1:]}} if rest[1:] else {})
    return {"outside_window": {"template": given}}


def route_of(legs: str) -> list[dict[str, Any]] | None:
    """The legs of `channel or account[:until[:seconds]],…`; None for nothing. ApiError when it makes no sense."""
    return [_leg(each) for each in legs.split(",")] if legs else None


def _leg(leg: str) -> dict[str, Any]:
    name, until, seconds, *more = [*leg.split(":"), "", ""][: max(3, leg.count(":") + 1)]
    if not name or more or (seconds and not seconds.isdecimal()):
        raise ApiError(
            0, "bad_route", "--route channel[:sent|delivered|read[:seconds]],… such as whatsapp:delivered:60,telegram"
        )
    way = {"channel": name} if name in CHANNELS else {"account_id": name}
    return way | ({"until": until} if until else {}) | ({"within_s": int(seconds)} if seconds else {})


def _place(location: str) -> Location:
    latitude, _, rest = location.partition(",")
    longitude, _, name = rest.partition(",")
    try:
        return Location(float(latitude), float(longitude), name.strip())
    except ValueError:
        raise ApiError(0, "bad_location", "--location latitude,longitude[,name], such as 52.52,13.4,Berlin") from None


def _option(option: str) -> Option:
    name, divided, title = option.partition("=")
    return Option(name, title if divided else name)


@contextmanager
def repeatable() -> Iterator[None]:
    """Says how to send a message again that may have been accepted."""
    try:
        yield
    except ApiError as error:
        if error.may_pass and error.message_id:
            error.add_note(f"it may have been accepted; repeat it with --id {error.message_id}")
        raise


@app.command()
def react(
    message: Target,
    emoji: Annotated[str, typer.Argument(help='One emoji; "" takes the reaction back.')],
    conversation: Where = "",
    as_json: AsJson = False,
) -> None:
    """React to a message."""
    _say(SERVERS.client().react(message, emoji, conversation), as_json)


@app.command()
def vote(
    message: Target,
    options: Annotated[
        list[int] | None, typer.Argument(help="Numbers of its options, from 1; none takes the vote back.")
    ] = None,
    conversation: Where = "",
    as_json: AsJson = False,
) -> None:
    """Vote in a poll."""
    _say(SERVERS.client().vote(message, options or [], conversation), as_json)


@app.command()
def edit(message: Target, text: list[str], conversation: Where = "", as_json: AsJson = False) -> None:
    """Say a message of yours in other words."""
    _say(SERVERS.client().edit(message, " ".join(text), conversation), as_json)


@app.command()
def delete(message: Target, conversation: Where = "", as_json: AsJson = False) -> None:
    """Take a message back."""
    _say(SERVERS.client().delete(message, conversation), as_json)


@app.command()
def cancel(message: Target, conversation: Where = "", as_json: AsJson = False) -> None:
    """Have what was not sent yet of a message not sent: what is held, or waits."""
    came = SERVERS.client().cancel(message, conversation)
    say_json(came) if as_json else say(f"cancelled {came['cancelled']}, too late for {came['too_late']}")


def _say(sent: Sent, as_json: bool) -> None:
    say_json(sent) if as_json else say(f"accepted {sent.message_id} in {sent.conversation_id}")
