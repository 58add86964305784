"""`chat4all listen`: events of a whole system on a developer's machine, as a webhook would bring them."""

from collections.abc import Collection
from typing import Annotated

import requests
import typer
from msgspec import Struct

from chat4all.cli.printing import printable, say, say_json
from chat4all.cli.session import SERVERS
from chat4all.client.streaming import Stream
from chat4all.model.clock import now_ms
from chat4all.model.event_envelope import Envelope, batch_of, envelope_of
from chat4all.model.event_types import TYPES
from chat4all.services.webhooks.secrets import is_secret, new_secret
from chat4all.services.webhooks.signing import signed

app = typer.Typer()

PATIENCE_S = 15.0


@app.command()
def listen(
    forward: Annotated[str, typer.Option(help="Where each event is sent, such as http://localhost:3000/hook.")],
    event: Annotated[list[str], typer.Option("--event", help="A type of event, such as message.accepted; none: all.")] = [],  # noqa: B006
    secret: Annotated[str, typer.Option(help="What signs them, whsec_…; left out: a new one, which is printed.")] = "",
    cursor: Annotated[str, typer.Option(help="Where to begin. Left out: now.")] = "",
    count: Annotated[int, typer.Option(help="End after so many events; 0: never.")] = 0,
    batch: Annotated[int, typer.Option(min=1, max=20, help="Events a request at most, of those that came together.")] = 1,
) -> None:
    """Send what happens to a program on this machine, signed as a webhook. Needs scope manage, and no public address.

    Each event is sent once, whatever is answered. Ctrl-C ends it.
    """
    strange = set(event) - set(TYPES)
    if strange:
        raise typer.BadParameter(f"one of {', '.join(TYPES)}", param_hint="--event")
    if secret and not is_secret(secret):
        raise typer.BadParameter("whsec_ and 24 to 64 bytes in base64", param_hint="--secret")
    client = SERVERS.client()
    # So that a login that has run out is an error now, not a silent stream.
    client.token()
    if not secret:
        secret = new_secret()
        say_json({"secret": secret})
    with client.stream(cursor, everything=True) as events, requests.Session() as calls:
        try:
            _forward(events, calls, forward, secret, Wanted(frozenset(event), count, batch))
        except KeyboardInterrupt:
            return


class Wanted(Struct, frozen=True):
    """What is sent. `count`: so many events; 0: all. `batch`: in one request at most."""

    types: Collection[str]
    count: int
    batch: int


def _forward(events: Stream, calls: requests.Session, url: str, secret: str, wanted: Wanted) -> None:
    sent = 0
    for came in events.batches():
        # A reload is about the stream, not of the system.
        said = [envelope_of(event) for event in came if not event.HasField("reload")]
        said = [each for each in said if not wanted.types or each.type in wanted.types]
        said = said[: wanted.count - sent] if wanted.count else said
        for first in range(0, len(said), wanted.batch):
            some = said[first : first + wanted.batch]
            answer = _call(calls, url, secret, some[0] if len(some) == 1 else batch_of(some))
            for each in some:
                say(printable(f"{each.type}  {each.event_id}  {answer}"))
        sent += len(said)
        if wanted.count and sent == wanted.count:
            events.stop()
            return


def _call(calls: requests.Session, url: str, secret: str, said: Envelope) -> str:
    """What came of one call, in a word."""
    headers = {"Content-Type": "application/json", **signed([secret], said.event_id, now_ms() // 1000, said.body)}
    try:
        answer = calls.post(url, said.body, headers=headers, timeout=PATIENCE_S, allow_redirects=False)
    except requests.RequestException as error:
        return type(error).__name__
    return str(answer.status_code)
