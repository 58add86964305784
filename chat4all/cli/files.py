"""Commands for files: upload with a progress bar, which can be interrupted and continued; download."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from chat4all.cli.contents import AsJson
from chat4all.cli.printing import printable, say, say_json
from chat4all.cli.session import SERVERS, folder
from chat4all.client import ApiError, Client, Progress
from chat4all.model.content import ALBUM_MOST, Album, Content, Media
from chat4all.model.ids import is_uuid, upload_message_id

app = typer.Typer()

UPLOADS = "uploads"


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    conversation: Annotated[str, typer.Option(help="A conversation's id, or a user: the private conversation with them.")],
    text: Annotated[str, typer.Option(help="Words beside the file.")] = "",
    send: Annotated[bool, typer.Option(help="Send it as a message, once it is there.")] = True,
    channel: Annotated[list[str] | None, typer.Option(help="Send on this channel as well; all: on every one.")] = None,
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Parts at once.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Upload a file and send it. After Ctrl-C or a lost connection run it again: it goes on where it stopped."""
    client = SERVERS.client()
    where = _conversation(client, conversation)
    result: dict[str, Any] = {}

    def then(done: dict[str, Any], was_there: bool) -> None:
        result.update(done, was_there=was_there)
        if send:
            result["message_id"] = _sent(client, done["file_id"], text, conversation_id=where, channels=channel)

    with _bar(file.name, file.stat().st_size) as progress:
        client.upload(file, where, notes=folder() / UPLOADS, progress=progress, parallel=parallel, then=then)
    if as_json:
        say_json(result)
    else:
        came = "was uploaded before:" if result["was_there"] else "uploaded"
        say(f"{came} {result['file_id']}" + (f", sent as {result['message_id']}" if send else ""))


@app.command()
def download(
    file_id: str,
    to: Annotated[Path, typer.Argument(help="A file, or a folder: then it keeps its own name.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Download a file. Run again, it goes on where it stopped."""
    client = SERVERS.client()
    known = client.file(file_id)
    with _bar(known["filename"], known["size"]) as progress:
        place = client.download(file_id, to, progress=progress)
    say_json(known | {"path": str(place)}) if as_json else say(str(place))


def with_files(client: Client, files: Sequence[Path], to: str, words: str, beside: Content | None) -> tuple[str, Media | Album]:
    """Upload these to be sent as one message, with words: the conversation's id, and what is sent there.

    ApiError where something else than words is to stand beside them, or they are too many.
    """
    if beside:
        raise ApiError(0, "bad_file", "--file stands beside words only")
    if len(files) > ALBUM_MOST:
        raise ApiError(0, "bad_file", f"--file at most {ALBUM_MOST} times")
    where = _conversation(client, to)
    items = []
    for each in files:
        with _bar(each.name, each.stat().st_size) as progress:
            done = client.upload(each, where, notes=folder() / UPLOADS, progress=progress)
        items.append(Media(done["file_id"]))
    return where, replace(items[0], text=words) if len(items) == 1 else Album(tuple(items), words)


def _sent(client: Client, file_id: str, text: str, **where: Any) -> str:
    """Send the file; the message's id. It follows from the file's, so that a run after a lost answer sends nothing twice."""
    message_id = upload_message_id(file_id)
    try:
        return client.send(text, file_id=file_id, message_id=message_id, **where).message_id
    except ApiError as error:
        if error.code != "message_id_conflict":
            raise
        # An earlier run has sent it, with other words beside it.
        return message_id


def _conversation(client: Client, named: str) -> str:
    """The conversation of this name; a private one is made if new."""
    if is_uuid(named):
        return named
    made: dict[str, Any] = client.private(named)
    return str(made["conversation_id"])


@contextmanager
def _bar(name: str, size: int) -> Iterator[Progress]:
    """A progress bar on standard error, so that standard output stays for programs. Also SIGTERM ends it like Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    try:
        with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task(printable(name), total=size)
            yield lambda more: bars.update(task, advance=more)
    except KeyboardInterrupt:
        say("stopped; run it again to go on")
        raise typer.Exit(130) from None
