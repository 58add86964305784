"""Commands about messages that are to be sent later; `send --at` makes one."""

from typing import Annotated, Any

import typer

from chat4all.cli.contents import AsJson
from chat4all.cli.printing import printable, say, say_json
from chat4all.cli.session import SERVERS
from chat4all.model.content import read_shown

app = typer.Typer()
scheduled = typer.Typer(help="Messages that are to be sent later.", no_args_is_help=True)
app.add_typer(scheduled, name="scheduled")


@scheduled.command("list")
def list_all(
    sender: Annotated[str, typer.Option("--from", help="Only this user's.")] = "",
    conversation: Annotated[str, typer.Option(help="Only those of this conversation.")] = "",
    as_json: AsJson = False,
) -> None:
    """Print what waits, by time: your own, or with scope manage everybody's."""
    wanted = {name: given for name, given in (("from_", sender), ("conversation_id", conversation)) if given}
    for each in SERVERS.client().scheduled_messages(**wanted):
        _say(each, as_json)


@scheduled.command()
def show(message_id: str, as_json: AsJson = False) -> None:
    """Print one, also when it was sent, cancelled or rejected."""
    _say(SERVERS.client().scheduled_message(message_id), as_json)


@scheduled.command()
def change(
    message_id: str,
    text: Annotated[list[str] | None, typer.Argument(help="What it says instead; left out: the same.")] = None,
    at: Annotated[str, typer.Option(help="When it is sent, with its zone; left out: as before.")] = "",
    as_json: AsJson = False,
) -> None:
    """Send it at another time, or say something else."""
    payload = {"type": "text", "text": " ".join(text)} if text else None
    _say(SERVERS.client().change_scheduled(message_id, send_at=at, payload=payload), as_json)


@scheduled.command()
def cancel(message_id: str, as_json: AsJson = False) -> None:
    """Have it not be sent."""
    _say(SERVERS.client().cancel_scheduled(message_id), as_json)


def _say(each: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say_json(each)
        return
    whom = ", ".join(each.get("to", ())) or each["conversation_id"]
    why = f" ({each['reason']})" if each.get("reason") else ""
    words = printable(_words(each["payload"]))
    say(f"{each['send_at']}  {each['message_id']}  {each['state']}{why}  {each['sender']} -> {printable(whom)}: {words}")


def _words(payload: dict[str, Any]) -> str:
    """What it says, in a line; of files, which are not looked up before it is sent, their kind."""
    if payload["type"] in ("media", "album"):
        return payload.get("caption", "") or f"[{payload['type']}]"
    return read_shown(payload).as_text()
