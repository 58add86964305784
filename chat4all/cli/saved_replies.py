"""Commands about saved replies, for a service client with scope manage."""

from typing import Annotated, Any

import typer

from chat4all.cli.contents import AsJson
from chat4all.cli.printing import printable, say, say_json
from chat4all.cli.session import SERVERS

app = typer.Typer()
replies = typer.Typer(help="What those who answer say again and again.", no_args_is_help=True)
app.add_typer(replies, name="replies")

Files = Annotated[list[str] | None, typer.Option("--file", help="The id of a complete file; repeat it.")]


@replies.command("list")
def list_all(
    shortcut: Annotated[str, typer.Argument(help="Only those whose shortcut begins so.")] = "", as_json: AsJson = False
) -> None:
    """Print saved replies, one a line."""
    for each in SERVERS.client().saved_replies(shortcut):
        say_json(each) if as_json else say(_line(each))


@replies.command()
def add(title: str, shortcut: str, text: Annotated[str, typer.Argument()] = "", file: Files = None) -> None:
    """Keep a reply. Its text may have variables, such as {{first_name|there}}."""
    say(_line(SERVERS.client().save_reply(title, shortcut, text, file or [])))


@replies.command()
def change(
    reply: str,
    title: Annotated[str | None, typer.Option()] = None,
    shortcut: Annotated[str | None, typer.Option()] = None,
    text: Annotated[str | None, typer.Option()] = None,
    file: Files = None,
) -> None:
    """Change a saved reply, named by its id or shortcut. What is left out stays; files are all that it is to have."""
    chosen: dict[str, Any] = {"title": title, "shortcut": shortcut, "text": text, "files": file or None}
    changes = {name: value for name, value in chosen.items() if value is not None}
    say(_line(SERVERS.client().change_reply(_id(reply), **changes)))


@replies.command()
def delete(reply: str) -> None:
    """Forget a saved reply, named by its id or shortcut."""
    SERVERS.client().delete_reply(_id(reply))


@replies.command("send")
def send_reply(
    reply: str,
    conversation_id: str,
    sender: Annotated[str, typer.Option("--from", help="In whose name it is sent; a user id.")] = "",
    agent: Annotated[str, typer.Option(help="Whose name {{agent}} is; a user id.")] = "",
) -> None:
    """Send a saved reply, named by its id or shortcut, into a conversation."""
    client = SERVERS.client()
    payload = client.render_reply(_id(reply), conversation_id, agent)
    sent = client.send(payload=payload, conversation_id=conversation_id, **({"from": sender} if sender else {}))
    say(f"accepted {sent.message_id} in {sent.conversation_id}")


def _id(reply: str) -> str:
    """The id of the reply with this shortcut; else it is an id itself."""
    found = SERVERS.client().saved_replies(reply)
    return next((str(each["reply_id"]) for each in found if each["shortcut"] == reply.lower()), reply)


def _line(reply: dict[str, Any]) -> str:
    files = f"  ({len(reply['files'])} files)" if reply["files"] else ""
    return f"{reply['reply_id']}  {reply['shortcut']}  {printable(reply['title'])}: {printable(reply['text'])}{files}"
