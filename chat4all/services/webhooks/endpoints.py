"""Endpoints of a team's own backend: made, changed, given another secret, switched off and on, told again.

Whatever changes an endpoint replaces the row that it has seen, and tries again when somebody else was faster.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace
from yarl import URL

from chat4all.model.clock import now_ms
from chat4all.model.event_types import PROVIDER, TYPES
from chat4all.model.events import encode
from chat4all.model.failures import Permanent
from chat4all.model.ids import public_event_id
from chat4all.model.records import EVENTS, Range
from chat4all.model.url_guard import Refused
from chat4all.ports import EventLog, MessageStore
from chat4all.ports.webhooks import Filter, Recovery, Webhook
from chat4all.services.refusals import Conflict, NoSuch, Taken, Wrong
from chat4all.services.seal import Seal
from chat4all.services.webhooks import own_events
from chat4all.services.webhooks.disabling import announce, disabled
from chat4all.services.webhooks.places import allowed
from chat4all.services.webhooks.secrets import OLD_VALID_S, Secrets, new_secret
from chat4all.settings import Settings

ENDPOINTS_MOST = 1_000
# What an endpoint may ask for.
ASKED = (*TYPES, PROVIDER)
# Of one endpoint at once. Each tells in its own order, beside what happens now.
RECOVERIES_MOST = 5
HEADERS_MOST = 20
# Calls a second. A rate below it is a mistake: disable the endpoint instead.
THROTTLE_LEAST = 0.01
READ_S = APPEND_S = 5.0
PAGE = 200
# What we say ourselves, and what says how a call is carried.
OURS = frozenset({
    "host", "content-type", "content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive", "upgrade",
    "te", "trailer", "expect", "accept-encoding", "proxy-authorization", "proxy-connection", "user-agent", "cookie",
})  # fmt: skip
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
SEALED = "no key in CHAT4ALL_SECRET_SEAL opens its secret: rotate it, and give its headers again"
WHY = {
    "url": "is no URL",
    "not_https": "must begin with https:// (http:// only on this machine, while it has no public URL)",
    "credentials": "must not hold a user or password: use headers",
    "port": "must be at the usual port",
    "other_host": "is at a host that CHAT4ALL_WEBHOOK_HOSTS does not name",
    "not_public": "is at no public address",
}


class Wanted(Struct, frozen=True):
    """What an endpoint is to be. `headers`: sent with every call; None leaves those that it has."""

    url: str
    events: tuple[str, ...] = ()
    filter: Filter = Filter()
    headers: Mapping[str, str] | None = None
    throttle: float = 0
    batch: int = 1


class Endpoints:
    """The endpoints of this deployment."""

    def __init__(self, settings: Settings, store: MessageStore, log: EventLog) -> None:
        self._settings, self._store, self._log = settings, store, log

    @cached_property
    def seal(self) -> Seal:
        """Opens and closes secrets. SettingsError when the deployment has no key for that."""
        return Seal(self._settings)

    def create(self, wanted: Wanted, by: str, webhook_id: str) -> tuple[Webhook, Secrets]:
        """A new one, which hears of what happens from now on; the same again is the one that there is.

        Wrong when it cannot be; Taken when the id is another endpoint's.
        """
        self._check(wanted)
        there = self._store.webhook(webhook_id)
        if there is not None:
            return self._same(there, wanted)
        if sum(1 for _ in all_webhooks(self._store)) >= ENDPOINTS_MOST:
            raise Wrong("url", f"there are {ENDPOINTS_MOST} endpoints already: delete one first")
        secrets, at = Secrets(new_secret(), headers=dict(wanted.headers or {})), now_ms()
        made = Webhook(
            webhook_id,
            wanted.url,
            wanted.events,
            wanted.filter,
            self.seal.seal(secrets),
            wanted.throttle,
            starts=self._ends(),
            created_at=at,
            changed_at=at,
            created_by=by,
            version=1,
            batch=wanted.batch,
        )
        if self._store.put_webhook(made):
            return made, secrets
        return self._same(self.get(webhook_id), wanted)

    def page(self, limit: int, after: str) -> list[Webhook]:
        """Some of them, by id."""
        return self._store.webhooks(limit, after)

    def get(self, webhook_id: str) -> Webhook:
        """One. NoSuch when there is none."""
        found = self._store.webhook(webhook_id)
        if found is None or found.status == "deleted":
            raise NoSuch
        return found

    def change(self, webhook_id: str, change: Callable[[Webhook], Wanted]) -> Webhook:
        """Make something else of it. Wrong, NoSuch."""

        def changed(old: Webhook) -> Webhook:
            wanted = change(old)
            self._check(wanted)
            sealed = old.sealed
            if wanted.headers is not None:
                sealed = self.seal.seal(replace(self._opened(old), headers=dict(wanted.headers)))
            elif origin_of(old.url) != origin_of(wanted.url) and self.header_names(old):
                # Whoever may change the URL is told no header's value, and by this neither.
                raise Wrong("headers", "give them again: they were meant for another host")
            return replace(
                old,
                url=wanted.url,
                events=wanted.events,
                filter=wanted.filter,
                sealed=sealed,
                throttle=wanted.throttle,
                batch=wanted.batch,
            )

        return self._replaced(webhook_id, changed)

    def rotate(self, webhook_id: str, old_valid_s: int = OLD_VALID_S) -> tuple[Webhook, Secrets]:
        """Another secret; the one before it signs too for so long. If no key opens that one, its headers are gone with it."""
        made: list[Secrets] = []

        def changed(old: Webhook) -> Webhook:
            made[:] = [self._rotated(old, old_valid_s)]
            return replace(old, sealed=self.seal.seal(made[0]))

        return self._replaced(webhook_id, changed), made[0]

    def _rotated(self, old: Webhook, old_valid_s: int) -> Secrets:
        try:
            return self.seal.open(old.sealed, Secrets).rotated(now_ms(), old_valid_s)
        except Permanent:
            return Secrets(new_secret())

    def header_names(self, webhook: Webhook) -> list[str] | None:
        """The names of its own headers; None where no key opens what is sealed: it is told nothing until it is rotated."""
        try:
            return sorted(self.seal.open(webhook.sealed, Secrets).headers)
        except Permanent:
            return None

    def enable(self, webhook_id: str) -> Webhook:
        """Tell it of what happens from now on. Nothing changes for one that is enabled."""
        ends = self._ends()
        return self._replaced(
            webhook_id,
            lambda old: (
                old if old.status == "enabled" else replace(old, status="enabled", reason="", failing_since=0, starts=ends)
            ),
        )

    def disable(self, webhook_id: str, reason: str) -> Webhook:
        """Tell it nothing more. Others hear of that soon (`disabling`)."""
        return self._replaced(webhook_id, lambda old: old if old.status == "disabled" else disabled(old, reason))

    def test(self, webhook_id: str) -> str:
        """Have it told of an event of its own, as of any other; the event's id. Wrong when it is disabled."""
        webhook = self.get(webhook_id)
        if webhook.status != "enabled":
            raise Wrong("webhook_id", "it is disabled: enable it first")
        event_id = str(uuid4())
        said = own_events.test(webhook, event_id, now_ms(), self._settings.partitions)
        self._log.append([encode(said)], APPEND_S)
        return public_event_id("", event_id)

    def delete(self, webhook_id: str) -> None:
        """Forget it; its secrets at once. What is unsaid of it is said before."""
        webhook = self.get(webhook_id)
        if webhook.unsaid:
            announce(webhook, self._store, self._log, self._settings.partitions)
        self._replaced(webhook_id, lambda old: replace(old, status="deleted", sealed=b"", url=""))

    def recover(self, webhook_id: str, since_ms: int, until_ms: int) -> list[Recovery]:
        """Tell it once more what was published between these times, under the same ids; what of it the log still has.

        Conflict while as many are under way as an endpoint may have.
        """
        if self.get(webhook_id).status != "enabled":
            raise Wrong("webhook_id", "it is disabled: enable it first")
        recovery_id, begun = str(uuid4()), []
        ends = self._log.ends(EVENTS)
        under_way = {each.recovery_id for of in ends for each in self._store.recoveries(of) if each.webhook_id == webhook_id}
        if len(under_way) >= RECOVERIES_MOST:
            raise Conflict("too_many_recoveries", f"{RECOVERIES_MOST} are under way: ask again when one has ended")
        for partition, (first, end) in sorted(ends.items()):
            position = self._from(partition, first, end, since_ms)
            until = self._from(partition, position, end, until_ms)
            if position < until:
                begun.append(Recovery(recovery_id, webhook_id, partition, position, until))
        self._store.add_recoveries(begun)
        return begun

    def _from(self, partition: int, first: int, end: int, at_ms: int) -> int:
        """The first offset of what was published at this time or later. Times in a log may go back a little."""
        low, high = first, end
        while low < high:
            middle = (low + high) // 2
            found = self._log.read(EVENTS, [Range(partition, middle, middle)], READ_S)
            if found and found[0].at < at_ms:
                low = middle + 1
            else:
                high = middle
        return low

    def _same(self, there: Webhook, wanted: Wanted) -> tuple[Webhook, Secrets]:
        asked = (wanted.url, wanted.events, wanted.filter, wanted.throttle, wanted.batch)
        if there.status == "deleted" or asked != (there.url, there.events, there.filter, there.throttle, there.batch):
            raise Taken
        secrets = self._opened(there)
        if secrets.headers != dict(wanted.headers or {}):
            raise Taken
        return there, secrets

    def _opened(self, webhook: Webhook) -> Secrets:
        try:
            return self.seal.open(webhook.sealed, Secrets)
        except Permanent:
            raise Conflict("sealed", SEALED) from None

    def _ends(self) -> dict[int, int]:
        return {partition: end for partition, (_, end) in self._log.ends(EVENTS).items()}

    def _replaced(self, webhook_id: str, change: Callable[[Webhook], Webhook]) -> Webhook:
        while True:
            old = self.get(webhook_id)
            new = change(old)
            if new is old:
                return old
            new = replace(new, version=old.version + 1, changed_at=now_ms())
            if self._store.put_webhook(new):
                return new

    def _check(self, wanted: Wanted) -> None:
        try:
            allowed(self._settings).check(wanted.url)
        except Refused as refused:
            raise Wrong("url", WHY.get(refused.detail, "cannot be called")) from None
        if 0 < wanted.throttle < THROTTLE_LEAST:
            raise Wrong("throttle", f"0 for no limit, or at least {THROTTLE_LEAST}")
        for number, each in enumerate(wanted.events):
            if each not in ASKED:
                raise Wrong(f"events.{number}", f"one of {', '.join(ASKED)}")
        _check_headers(wanted.headers or {})


def all_webhooks(store: MessageStore) -> Iterator[Webhook]:
    """All endpoints, by id."""
    after = ""
    while page := store.webhooks(PAGE, after):
        yield from page
        after = page[-1].webhook_id


def origin_of(url: str) -> URL:
    """Scheme, host and port of a URL that was checked."""
    return URL(url).origin()


def _check_headers(headers: Mapping[str, str]) -> None:
    if len(headers) > HEADERS_MOST:
        raise Wrong("headers", f"at most {HEADERS_MOST} of them")
    if len({name.lower() for name in headers}) < len(headers):
        raise Wrong("headers", "a name is given twice: capital letters make no other name")
    for name, value in headers.items():
        small = name.lower()
        if not small or len(small) > 64 or not set(small) <= TOKEN:
            raise Wrong("headers", "names are 1 to 64 letters, digits and -")
        if small in OURS or small.startswith("webhook-"):
            raise Wrong("headers", f"{small} is not yours to choose")
        if len(value) > 1024 or not value.isascii() or not value.isprintable():
            raise Wrong("headers", f"{small}: at most 1024 printable ASCII characters")
