"""The commands of `celery -A tasks.app replay`: send failed deliveries again, and run stages again. They need no terminal."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from itertools import islice
from typing import Any, ParamSpec

import click
from kombu.exceptions import OperationalError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from chat4all.cli.running import beside_running
from chat4all.model.clock import now_ms
from chat4all.model.deliveries import DeliveryKey
from chat4all.model.failures import Failure, Unknown
from chat4all.ports import DeadLetter, MessageStore
from chat4all.services import resends
from chat4all.services.acceptance.acceptors import Acceptors
from chat4all.services.accounts.live import LiveChannels
from chat4all.services.dead_letters import Wanted, instant, record_of, scan
from chat4all.services.inbound.arrivals_by_workspace import ArrivalsByWorkspace
from chat4all.services.inbound.webhooks import STAGES, Webhooks
from chat4all.services.resends import Plan, Resend, Wish
from chat4all.settings import SettingsError
from chat4all.telemetry import logs
from tasks.operations import reprocessing
from tasks.pipeline import Chains
from tasks.resources import Parts, open_parts

P = ParamSpec("P")

AT_ONCE = 500
POLL_S = 0.25
DRY = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
WAIT = click.option("--wait", "wait_s", type=click.FloatRange(0), default=30, show_default=True, help="Follow for so many s.")
REPLAY_ID = click.option("--replay-id", default="", help="A name for this replay: under one name it is done once.")
FORCE = click.option("--force", is_flag=True, help="Also what has not FAILED. Needs --replay-id.")


@click.group()
def commands() -> None:
    """Send again what did not arrive, or run stages again."""


def sending(command: Callable[P, None]) -> Callable[P, None]:
    """The options of commands that send deliveries again."""
    return DRY(FORCE(REPLAY_ID(WAIT(command))))


def with_readable_failures(command: Callable[P, None]) -> Callable[P, None]:
    """What goes wrong is one line, and status 1."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        logs.configure("replay")
        try:
            command(*arguments, **options)
        except Unknown as failure:
            raise click.ClickException(f"{failure}: it may be done; the same command again does it once") from None
        except OperationalError:
            raise click.ClickException("the broker does not answer; the same command again does no harm") from None
        except (Failure, SettingsError) as failure:
            raise click.ClickException(str(failure)) from None

    return run


@commands.command()
@click.argument("message_id")
@sending
@with_readable_failures
def message(message_id: str, replay_id: str, force: bool, dry_run: bool, wait_s: float) -> None:
    """Send a message again to everybody it FAILED for."""
    wish = _wish(replay_id, force)
    with opened() as parts:
        keys = resends.keys_of(parts.store, parts.partitions, message_id)
        send_again(parts, [keys], wish, dry_run, wait_s)


@commands.command()
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@sending
@with_readable_failures
def delivery(keys: Sequence[str], replay_id: str, force: bool, dry_run: bool, wait_s: float) -> None:
    """Send deliveries again, named as dead letters name them: channel:partition:seq:index."""
    found, wish = [_key(each) for each in keys], _wish(replay_id, force)
    with opened() as parts:
        send_again(parts, [found], wish, dry_run, wait_s)


@commands.command(name="dead-letters")
@click.option("--channel", default="", help="Of this channel only.")
@click.option("--reason", default="", help="With this reason only.")
@click.option("--since", default="24h", show_default=True, help="From then on: 90m, 24h, 7d ago, a day, or an RFC 3339 time.")
@click.option("--until", default="0m", help="Before then. Left out: now.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="Send at most so many again.")
@sending
@with_readable_failures
def dead_letters(
    channel: str, reason: str, since: str, until: str, limit: int, replay_id: str, force: bool, dry_run: bool, wait_s: float
) -> None:
    """Send the deliveries in the dead letters again. Records that were set aside are named, and left: see `record`."""
    wanted, wish = Wanted(_instant("since", since), _instant("until", until), channel, reason), _wish(replay_id, force)
    with opened() as parts:
        send_again(parts, _deliveries(parts.store, wanted), wish, dry_run, wait_s, limit)


@commands.command()
@click.argument("place", metavar="TOPIC:PARTITION:OFFSET")
@click.option("--replay-id", default="1", show_default=True, help="A name for this replay: under one name it is done once.")
@click.option("--force", is_flag=True, help="Although some of it has been done otherwise.")
@DRY
@with_readable_failures
def record(place: str, replay_id: str, force: bool, dry_run: bool) -> None:
    """Append a record that was set aside again: a message becomes a new one, a receipt is applied."""
    topic, span = reprocessing.place(place)
    with opened() as parts:
        made = reprocessing.again(parts, topic, span, replay_id, now_ms(), force)
        for note in made.notes:
            click.echo(f"note: {note}")
        if not dry_run:
            reprocessing.append(parts, made)
        what = f"message {made.message_id}" if made.message_id else "a receipt or position"
        click.echo(f"{place}: {'would be' if dry_run else 'is'} appended again as {what}")


@commands.command(name="set-aside")
@click.argument("place", metavar="TOPIC:PARTITION:OFFSET")
@with_readable_failures
def set_aside(place: str) -> None:
    """Pass over a record that only newer code can read, where no upgrade will come. Then restart the bridge."""
    topic, span = reprocessing.place(place)
    with opened() as parts:
        click.echo(f"{place}: set aside, dead letter {reprocessing.set_aside(parts, topic, span)}")


@commands.command()
@click.argument("place", metavar="TOPIC:PARTITION:FIRST-LAST")
@click.option("--stage", default="", help="This stage only: persist or fan_out; of chat-status: receipts.")
@DRY
@click.pass_obj
@with_readable_failures
def log(celery: Any, place: str, stage: str, dry_run: bool) -> None:
    """Run the stages again over records that they are done with. Changes nothing that stands, moves no position."""
    topic, span = reprocessing.place(place)
    with opened() as parts:
        refs = reprocessing.batches(parts, topic, span, stage)
    if not dry_run:
        reprocessing.run_again(Chains(celery.app), refs, stage)
    click.echo(f"chains of {stage or 'all stages'} that {'would be' if dry_run else 'are'} handed out: {len(refs)}")
    for ref in refs:
        click.echo(f"  {ref}")


@commands.command()
@click.argument("letter_ids", nargs=-1)
@click.option("--stage", type=click.Choice(STAGES), help="Instead of ids: all letters of this stage.")
@click.option("--channel", default="", help="With --stage: of this channel only.")
@click.option("--since", default="24h", show_default=True, help="With --stage: from then on, as in `dead-letters`.")
@DRY
@with_readable_failures
def webhooks(letter_ids: Sequence[str], stage: str | None, channel: str, since: str, dry_run: bool) -> None:
    """Read webhooks again that could not be read, or were for an account that was not ours. Doing it twice is once."""
    if bool(letter_ids) == bool(stage):
        raise click.UsageError("Letter ids, or --stage.")
    with opened() as parts:
        wanted = Wanted(_instant("since", since), now_ms() + 1, channel, stage=stage or "")
        found = (letter.letter_id for letter in scan(parts.store, wanted.since, wanted.until) if wanted.has(letter))
        live = LiveChannels(parts.settings, parts.store, every_s=0)
        taker = Webhooks(parts.store, ArrivalsByWorkspace(Acceptors(parts.store, parts.log, parts.settings, live)))
        for letter_id in letter_ids or found:
            click.echo(_taken(parts, live, taker, letter_id, dry_run))


def _taken(parts: Parts, live: LiveChannels, taker: Webhooks, letter_id: str, dry_run: bool) -> str:
    kept = parts.store.kept_webhook(letter_id)
    if kept is None:
        return f"{letter_id}: left, no webhook is kept under this id"
    handled = taker.again(live.reading(kept[0].channel, kept[0].account), letter_id, dry_run)
    if handled is None:
        return f"{letter_id}: left, its webhook is not kept any more"
    rest = [
        *(f"unreadable: {each}" for each in handled.unreadable),
        *(f"not our account: {each}" for each in handled.unclaimed),
    ]
    said = f"messages {handled.messages}, receipts {handled.receipts} {'would be' if dry_run else 'are'} taken"
    return f"{letter_id}: " + "; ".join([said, *rest])


# What the commands share.


@contextmanager
def opened() -> Iterator[Parts]:
    """Log and store, where the settings say."""
    parts = open_parts(beside_running())
    try:
        yield parts
    finally:
        parts.close()


def send_again(
    parts: Parts, keys: Iterable[list[DeliveryKey]], wish: Wish, dry_run: bool, wait_s: float, limit: int = sys.maxsize
) -> None:
    """Send these again and follow them; say what is done and what is left."""
    sent: dict[str, Resend] = {}
    live = LiveChannels(parts.settings, parts.store, every_s=0)
    for some in keys:
        planned = resends.plan(parts.store, live, some, wish, now_ms())
        new = [each for each in planned.resends if each.message.message_id not in sent][: limit - len(sent)]
        if not dry_run:
            resends.append(parts.log, parts.partitions, new)
        _say_planned(planned, new, dry_run)
        sent |= {each.message.message_id: each for each in new}
        if len(sent) >= limit:
            click.echo(f"stopped at {limit}: the same command again goes on")
            break
    click.echo(f"deliveries that {'would be' if dry_run else 'are'} sent again: {len(sent)}")
    if sent and wait_s and not dry_run:
        follow(parts, list(sent.values()), wait_s)


def follow(parts: Parts, sent: Sequence[Resend], wait_s: float) -> None:
    """Watch the store until all have ended, or it has taken too long; then say how each stands."""
    until = time.monotonic() + wait_s
    console = Console(stderr=True)
    shown: list[Any] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*shown, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("ended", total=len(sent))
        while True:
            places = resends.whereabouts(parts.store, sent)
            ended = sum(each.ended for each in places)
            progress.update(task, completed=ended)
            if ended == len(places) or time.monotonic() >= until:
                break
            time.sleep(POLL_S)
    for each in places:
        click.echo(f"{each.key}: {each.state} {each.reason}".rstrip())
    if ended < len(places):
        click.echo(f"still on their way, which they go by themselves: {len(places) - ended}")


def _say_planned(planned: Plan, new: Sequence[Resend], dry_run: bool) -> None:
    for left in planned.left:
        click.echo(f"{left.name}: left, {left.why}")
    for each in new:
        click.echo(f"{each.key}: {each.stands}, {'would be' if dry_run else 'is'} sent again")


def _deliveries(store: MessageStore, wanted: Wanted) -> Iterator[list[DeliveryKey]]:
    """The deliveries of these letters, some at a time; records that were set aside are named."""
    found = (letter for letter in scan(store, wanted.since, wanted.until) if wanted.has(letter))
    while some := list(islice(found, AT_ONCE)):
        for letter in some:
            if not letter.delivery:
                click.echo(_set_aside(letter))
        yield [DeliveryKey.parse(letter.delivery) for letter in some if letter.delivery]


def _set_aside(letter: DeadLetter) -> str:
    if letter.stage in STAGES:
        return f"{letter.letter_id}: left, a webhook, {letter.reason}; see `replay webhooks`"
    return f"{record_of(letter)}: left, set aside by {letter.stage}, {letter.reason}; see `replay record`"


def _wish(replay_id: str, force: bool) -> Wish:
    if force and not replay_id:
        raise click.UsageError("--force needs --replay-id: under one name it is done once.")
    return Wish(replay_id, force)


def _key(text: str) -> DeliveryKey:
    try:
        return DeliveryKey.parse(text)
    except ValueError:
        raise click.BadParameter(f"{text}: a delivery is channel:partition:seq:index, such as whatsapp:0:4711:0") from None


def _instant(name: str, text: str) -> int:
    try:
        # The next millisecond for now: letters of this very moment count.
        return instant(text, now_ms() + 1)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"--{name}: 90m, 24h or 7d ago, a day, or an RFC 3339 time") from None
