"""Webhooks of providers: each part is accepted, or the webhook is kept whole in a dead letter.

A provider gets 200 only for what is durable, so what is neither accepted nor kept is sent again. A kept webhook can be read
again: after an upgrade that understands it, or once the account that it is for is configured.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from chat4all.model.account_health import AccountNews
from chat4all.model.clock import now_ms
from chat4all.model.failures import Mismatch, RangeLost, Temporary, Unknown
from chat4all.model.ids import webhook_letter_id
from chat4all.model.records import ProviderReceipt
from chat4all.model.signals import PRESSED, Signal
from chat4all.ports import Aside, Channel, DeadLetter, Inbound, MessageStore, Moved, Unclaimed, Unreadable, Update
from chat4all.services.accounts.live import InForce, OfApp
from chat4all.services.inbound.arrivals_by_workspace import ArrivalsByWorkspace
from chat4all.services.inbound.intake import Arrivals, Counts
from chat4all.services.webhooks.forwarding import Forwarding
from chat4all.telemetry import logs, metrics

log = logs.logger(__name__)

UNREADABLE, UNCLAIMED = "unreadable", "unclaimed"
STAGES = (UNREADABLE, UNCLAIMED)
# No provider sends as much. What is longer is cut off, and cannot be taken again.
KEPT_MOST = 8 << 20
NOT_ITS_OWN = Unclaimed | Unreadable | Aside
OUTAGES = (Temporary, Unknown, Mismatch, RangeLost)


class Handled(Struct, frozen=True):
    """What came of webhooks: counts of what is durable, the ids of files to fetch, and what was kept of the rest.

    `unreadable`: reasons; `unclaimed`: accounts; `presses`: of buttons that wait for an answer (`Inbound.press`).
    `news`: of accounts themselves; whoever called keeps it.
    """

    messages: int
    receipts: int
    unreadable: tuple[str, ...] = ()
    unclaimed: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    presses: tuple[Signal, ...] = ()
    news: tuple[AccountNews, ...] = ()


class Webhooks:
    """Takes signed webhooks of channels. One per process; every method may be called from many threads."""

    def __init__(
        self, store: MessageStore, arrivals: Arrivals | ArrivalsByWorkspace, forwarding: Forwarding | None = None
    ) -> None:
        self._store = store
        self._arrivals = arrivals
        self._forwarding = forwarding

    def take(
        self,
        channel: Channel,
        bodies: Sequence[bytes],
        headers: Mapping[str, str] | None = None,
        said: Mapping[str, str] | None = None,
        of_app: OfApp | None = None,
        afresh: Callable[[], OfApp] | None = None,
    ) -> Handled:
        """Read these, make durable all that they say, and send them on as they are to whoever asks for that.

        `headers`: of the records; `said`: those that the provider sent, with lower-case names. `of_app`: the accounts of the
        app that signed them; None: this one. `afresh`: asks which these are now, before an account counts as nobody's.
        Temporary or Unknown: they must be brought again, all of them.
        """
        app = of_app or _alone(channel)
        read = _for_all(channel, bodies, app)
        if afresh and any(_names_others(updates, app) for _, updates in read):
            app = afresh()
            read = _for_all(channel, bodies, app)
        handled = self._taken(channel, read, headers)
        if self._forwarding and not app.is_alone:
            self._forwarding.forward(channel, bodies, said, app.used)
        return handled

    def take_receipts(self, channel: Channel, body: bytes, headers: Mapping[str, str] | None = None) -> bool:
        """Take what became of messages of this account, which nobody has confirmed yet; whether that was all.

        Whoever made it up cannot know what the provider calls a message, so that is believed, and nothing else of it.
        """
        read = _read(channel, body)
        own = [each for each in read if isinstance(each, ProviderReceipt) and each.account == channel.account.account_id]
        self._arrivals.accept_updates([replace(each, reference="") for each in own], headers)
        return len(own) == len(read)

    def _taken(
        self,
        channel: Channel,
        read: Sequence[tuple[bytes, Sequence[Update]]],
        headers: Mapping[str, str] | None = None,
    ) -> Handled:
        everything = [each for _, some in read for each in some]
        updates = [each for each in everything if not isinstance(each, AccountNews)]
        try:
            counts = self._arrivals.accept_updates(updates, headers)
        except OUTAGES:
            raise
        except Exception:
            log.exception("updates_failed", channel=channel.name, updates=len(updates))
            counts, read = self._one_by_one(channel, read, headers)
        self._keep(channel.name, read)
        rest = [each for _, some in read for each in some]
        _tell(channel.name, [*(each for each in updates if isinstance(each, Aside)), *rest])
        return Handled(
            counts.messages,
            counts.receipts,
            tuple(each.reason for each in rest if isinstance(each, Unreadable)),
            tuple(dict.fromkeys(each.account for each in rest if isinstance(each, Unclaimed))),
            counts.files,
            tuple(
                Signal(channel.name, PRESSED, each.address, each.press, each.account)
                for each in updates
                if isinstance(each, Inbound) and each.press
            ),
            tuple(each for each in everything if isinstance(each, AccountNews)),
        )

    def again(self, channel: Channel, letter_id: str, dry_run: bool = False) -> Handled | None:
        """Take what a letter kept once more; what was accepted before is the same message. None: it has nothing kept.

        `dry_run`: only read it.
        """
        kept = self._store.kept_webhook(letter_id)
        if kept is None:
            return None
        # What it says of others was theirs when it came, or is kept for them in a letter of their own.
        concerned = {channel.account.account_id, kept[0].account}
        read = [each for each in _read(channel, kept[1]) if getattr(each, "account", kept[0].account) in concerned]
        if not dry_run:
            return self._taken(channel, [(kept[1], read)])
        return Handled(
            sum(isinstance(each, Inbound) for each in read),
            sum(isinstance(each, ProviderReceipt) for each in read),
            tuple(each.reason for each in read if isinstance(each, Unreadable)),
            tuple(dict.fromkeys(each.account for each in read if isinstance(each, Unclaimed))),
        )

    def _one_by_one(
        self, channel: Channel, read: Sequence[tuple[bytes, Sequence[Update]]], headers: Mapping[str, str] | None
    ) -> tuple[Counts, list[tuple[bytes, Sequence[Update]]]]:
        """Something in these cannot be accepted, and must not keep the others away: each by itself, the bad ones aside."""
        messages = receipts = 0
        files: list[str] = []
        left: list[tuple[bytes, Sequence[Update]]] = []
        for body, updates in read:
            rest: list[Update] = [each for each in updates if isinstance(each, Unreadable | Unclaimed)]
            for each in updates:
                if isinstance(each, AccountNews):
                    continue
                try:
                    counts = self._arrivals.accept_updates([each], headers)
                except OUTAGES:
                    raise
                except Exception:
                    log.exception("update_set_aside", channel=channel.name, kind=type(each).__name__)
                    rest.append(Unreadable("not accepted"))
                else:
                    messages, receipts = messages + counts.messages, receipts + counts.receipts
                    files += counts.files
            left.append((body, rest))
        return Counts(messages, receipts, files=tuple(files)), left

    def _keep(self, channel: str, read: Iterable[tuple[bytes, Sequence[Update]]]) -> None:
        kept = [(each, body[:KEPT_MOST]) for body, updates in read for each in letters(channel, body, updates)]
        if kept:
            self._store.keep_webhooks(kept)
        for labels, number in Counter((each.stage, each.reason) for each, _ in kept).items():
            metrics.DEAD_LETTERS.of_reason(*labels).add(number)


def letters(channel: str, body: bytes, updates: Sequence[Update]) -> list[DeadLetter]:
    """The letters about a webhook: one for all that could not be read in it, one for each account that is not ours."""
    reasons = [each.reason for each in updates if isinstance(each, Unreadable)]
    accounts = dict.fromkeys(each.account for each in updates if isinstance(each, Unclaimed))
    found = [(UNREADABLE, reasons[0].replace(" ", "_"), "")] if reasons else []
    found += [(UNCLAIMED, "unclaimed_account", account) for account in accounts]
    return [letter(channel, body, *each) for each in found]


def letter(channel: str, body: bytes, stage: str, reason: str, account: str) -> DeadLetter:
    """A letter about what a provider brought, with what was wrong."""
    now = now_ms()
    return DeadLetter(
        letter_id=webhook_letter_id(stage, channel, account, body),
        at=now,
        stage=stage,
        reason=reason,
        channel=channel,
        account=account,
        first_at=now,
        attempts=1,
    )


def _alone(channel: Channel) -> OfApp:
    """An app with this account."""
    return OfApp(InForce(channel), {channel.account.account_id: channel})


def _names_others(read: Iterable[Update], app: OfApp) -> bool:
    """Whether these name an account that this app is not known to have, or to have had."""
    named = {each.account for each in read if isinstance(each, Unclaimed | ProviderReceipt)}
    return bool(named - app.used.keys() - app.gone)


def _for_all(channel: Channel, bodies: Iterable[bytes], app: OfApp) -> list[tuple[bytes, Sequence[Update]]]:
    """What these say to each account of the app, each read by that account, and what they say to others by this one.

    What became of messages is true whether their account is there or not. Of an account that the app does not have a receipt
    is matched by the provider's id of the message alone, which nobody guesses.
    """
    own, believed = channel.account.account_id, app.used.keys() | app.gone
    found: list[tuple[bytes, Sequence[Update]]] = []
    for body in bodies:
        for account, part in channel.by_account(body, app.used).items():
            read = _read(app.used.get(account, channel), part)
            if account == own and own not in app.used:
                read = _of_gone(own, read)
            found.append((part, [_as_believed(each, believed) for each in read]))
    return found


def _as_believed(update: Update, believed: Container[str]) -> Update:
    is_foreign = isinstance(update, ProviderReceipt) and update.account not in believed
    return replace(update, reference="") if is_foreign else update


def _of_gone(account: str, read: Sequence[Update]) -> list[Update]:
    """Without what people write to it: that is for nobody."""
    receipts = [each for each in read if isinstance(each, ProviderReceipt | NOT_ITS_OWN)]
    is_written_to = any(isinstance(each, Inbound | Moved) for each in read)
    return [*receipts, *([Unclaimed(account)] if is_written_to else [])]


def _read(channel: Channel, body: bytes) -> Sequence[Update]:
    try:
        return channel.read_webhook(body)
    except Exception:
        # It promises not to; if it does, nothing may be lost for it.
        log.exception("webhook_reader_failed", channel=channel.name)
        return [Unreadable("reader failed")]


def _tell(channel: str, updates: Iterable[Update]) -> None:
    """Count and log what is neither a message nor a receipt."""
    for each in updates:
        if isinstance(each, Unreadable):
            metrics.PROVIDER_UPDATES.of(channel, UNREADABLE).add()
            log.warning("webhook_part_unreadable", channel=channel, reason=each.reason)
        elif isinstance(each, Unclaimed):
            metrics.PROVIDER_UPDATES.of(channel, UNCLAIMED).add()
            log.warning("update_unclaimed", channel=channel, account=each.account)
        elif isinstance(each, Aside):
            metrics.PROVIDER_UPDATES.of(channel, each.kind).add()
            say = log.warning if each.kind == "provider_error" else log.debug
            say("update_aside", channel=channel, kind=each.kind, reason=each.reason)
