"""Commands for users: register, log in, send, stream, history, status."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict

from chat4all.cli.contents import AsJson, outside_window, payload_of, repeatable, route_of
from chat4all.cli.files import with_files
from chat4all.cli.printing import conversation_line, event_line, message_line, say, say_json, timeline
from chat4all.cli.session import SERVERS, forget, kept
from chat4all.client import ApiError, Client, Stream
from chat4all.model.content import CHOICE_STYLES, Content
from chat4all.model.ids import is_uuid, private_conversation_id
from chat4all.v1 import chat_pb2 as pb

app = typer.Typer()

Password = Annotated[str, typer.Option(envvar="CHAT4ALL_PASSWORD", help="Asked for when left out.")]


def _password(given: str, confirm: bool = False) -> str:
    if given:
        return given
    if not sys.stdin.isatty():
        raise ApiError(0, "no_password", "no password: give --password or CHAT4ALL_PASSWORD")
    answer: str = typer.prompt("Password", hide_input=True, confirmation_prompt=confirm)
    return answer


@app.command()
def register(
    user_id: str,
    password: Password = "",
    name: Annotated[str, typer.Option(help="What others see.")] = "",
    login: Annotated[bool, typer.Option(help="Log in as well.")] = True,
) -> None:
    """Make a user, and log in. Where not everybody may register, --token of a client with scope manage is needed."""
    secret = _password(password, confirm=True)
    registrar = SERVERS.client() if SERVERS.token else SERVERS.stranger()
    registrar.register(user_id, secret, name)
    if login:
        SERVERS.log_in(user_id, secret)
    say(f"registered {user_id}{', logged in' if login else ''}")


@app.command()
def login(
    user_id: str,
    password: Password = "",
    workspace: Annotated[str, typer.Option(help="In which they are, where that is not `default`.")] = "",
) -> None:
    """Log in: a user, or a service client with its secret. The login renews itself."""
    SERVERS.log_in(user_id, _password(password), workspace)
    say(f"logged in as {user_id} at {SERVERS.addresses()[0]}")


@app.command()
def logout() -> None:
    """End the login of this machine, on the server too, and forget it. It is forgotten also when the server is away."""
    login = None if SERVERS.token else kept()
    try:
        if login is not None:
            SERVERS.client().logout()
    finally:
        was_there = forget()
    say("logged out" if was_there else "nobody was logged in")


@app.command()
def send(
    to: Annotated[str, typer.Argument(help="A user, a conversation's id, or channel:address.")],
    text: Annotated[list[str] | None, typer.Argument(help="The words; - reads them from standard input.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Send on this channel as well; all: on every one.")] = None,
    message_id: Annotated[str, typer.Option("--id", help="A UUID: sent again with it, it is the same message.")] = "",
    wait: Annotated[float, typer.Option(help="Wait up to so many seconds until it is stored, and show it.")] = 0,
    location: Annotated[str, typer.Option(help="A place in place of words: latitude,longitude[,name].")] = "",
    option: Annotated[list[str] | None, typer.Option(help="A choice below them: title, or id=title. Repeat it.")] = None,
    choices: Annotated[str, typer.Option(help=f"How choices show: {', '.join(CHOICE_STYLES)}.")] = CHOICE_STYLES[0],
    reply_to: Annotated[str, typer.Option(help="The id of the message that this answers.")] = "",
    via: Annotated[str, typer.Option(help="The account that it is sent from, by its id: see `accounts list`.")] = "",
    file: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="A file with the words beside it. Repeat it: an album of 2 to 10."),
    ] = None,
    route: Annotated[
        str,
        typer.Option(
            help="One channel after the other, such as whatsapp:delivered:60,telegram: not delivered in 60 s, the next."
        ),
    ] = "",
    or_template: Annotated[
        str, typer.Option(help="A template in its place where the person's window is shut: name:language[:parameter…].")
    ] = "",
    hold: Annotated[bool, typer.Option("--hold", help="Hold it until the person writes, where nothing may be sent.")] = False,
    expires_in: Annotated[int, typer.Option(help="Seconds after which it is not sent any more.")] = 0,
    at: Annotated[str, typer.Option(help="When it is sent, with its zone, such as 2026-03-01T09:00:00-03:00.")] = "",
    as_json: AsJson = False,
) -> None:
    """Send a message: words, a place, a question with choices, a file or an album."""
    client = SERVERS.client()
    said = sys.stdin.read() if text == ["-"] else " ".join(text or ())
    payload: Content | None = payload_of(said, location, option or (), choices)
    where = {"conversation_id": to} if is_uuid(to) else {"to": to}
    if file:
        place, payload = with_files(client, file, to, said, payload)
        where = {"conversation_id": place}
    with repeatable():
        instead = outside_window(or_template, hold) | ({"expires_in": expires_in} if expires_in else {})
        instead |= {"send_at": at} if at else {}
        sent = client.send(
            "" if payload else said,
            **where,
            **instead,
            channels=channel,
            message_id=message_id,
            payload=payload,
            reply_to=reply_to,
            via=via,
            route=route_of(route),
        )
    if wait:
        _show(client.message(sent.message_id, wait), as_json)
    elif as_json:
        say_json(sent)
    else:
        say(f"{sent.status} {sent.message_id} in {sent.conversation_id}")


@app.command()
def stream(
    cursor: Annotated[str, typer.Option(help="Where to begin. Left out: what was not yet delivered to this account.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also states, positions and changes of members.")] = False,
    whole: Annotated[bool, typer.Option("--whole-system", help="Every conversation, from now on. Needs scope manage.")] = False,
    count: Annotated[int, typer.Option(help="End after so many messages; 0: never.")] = 0,
    acknowledge: Annotated[bool, typer.Option(help="Tell the server that what was printed is delivered.")] = True,
    as_json: AsJson = False,
) -> None:
    """Print what comes, live, each message once. Goes on by itself when the server was away. Ctrl-C ends it."""
    client = SERVERS.client()
    # So that a login that has run out is an error now, not a silent stream.
    client.token()
    with client.stream(cursor, acknowledge=acknowledge, everything=whole) as events:
        try:
            _print_all(events, everything, count, as_json)
        except KeyboardInterrupt:
            return


def _print_all(events: Stream, everything: bool, count: int, as_json: bool) -> None:
    printed = 0
    for event in events:
        is_message = event.HasField("message")
        if not (is_message or everything or event.HasField("rejected") or event.HasField("reload")):
            continue
        say_json(_as_dict(event)) if as_json else say(event_line(event))
        printed += is_message
        if count and printed == count:
            events.stop()


def _as_dict(event: pb.Event) -> dict[str, Any]:
    shown: dict[str, Any] = MessageToDict(event, preserving_proto_field_name=True)
    return shown


@app.command()
def history(
    conversation: Annotated[str, typer.Argument(help="A conversation's id, or a user: the private conversation with them.")],
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    since: Annotated[str, typer.Option(help="A seq or a time: what came after.")] = "",
    before: Annotated[str, typer.Option(help="A seq or a time: what came before.")] = "",
    as_json: AsJson = False,
) -> None:
    """Print what was said, oldest first."""
    client = SERVERS.client()
    page = {name: value for name, value in (("since", since), ("before", before)) if value}
    for message in client.history(_conversation(client, conversation), limit=limit, **page)["messages"]:
        say_json(message) if as_json else say(message_line(message))


def _conversation(client: Client, named: str) -> str:
    if is_uuid(named):
        return named
    login = None if SERVERS.token else kept()
    return private_conversation_id(login.user_id if login else client.me()["user_id"], named)


@app.command()
def status(
    message_id: str,
    wait: Annotated[float, typer.Option(help="Wait up to so many seconds until it is stored.")] = 0,
    conversation: Annotated[str, typer.Option(help="Its conversation, where several have such an id.")] = "",
    as_json: AsJson = False,
) -> None:
    """Print where a message is: each delivery's states and their times."""
    _show(SERVERS.client().message(message_id, wait, conversation), as_json)


def _show(message: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say_json(message)
    else:
        say("\n".join(timeline(message)))


@app.command()
def conversations(as_json: AsJson = False) -> None:
    """Print this account's conversations."""
    for conversation in SERVERS.client().conversations():
        say_json(conversation) if as_json else say(conversation_line(conversation))


@app.command()
def read(conversation: str, up_to: Annotated[int, typer.Argument(help="A seq; left out: the latest message.")] = 0) -> None:
    """Say that you have read a conversation."""
    client = SERVERS.client()
    where = _conversation(client, conversation)
    latest = client.history(where, limit=1)["messages"] if not up_to else []
    seq = up_to or (latest[0]["seq"] if latest else 0)
    if seq:
        client.read(where, seq)
    say(f"read up to {seq}" if seq else "nothing to read")
