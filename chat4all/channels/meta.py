"""What Meta's channels share: signed webhooks, their verification, and the Graph API's error envelope."""

import hashlib
import hmac
import json
import re
from abc import abstractmethod
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chat4all.channels import http
from chat4all.channels.http import Answer
from chat4all.channels.json_fields import decoded, fields, ident, items, words
from chat4all.channels.provider_times import within_second
from chat4all.model.failures import Failure, Permanent, Temporary, Throttled, Unknown
from chat4all.model.records import ProviderReceipt
from chat4all.ports import Aside, Channel, ErrorLine, Named, Unclaimed, Unreadable, Update, Uploaded

GRAPH_URL = "https://graph.facebook.com"
GRAPH_VERSION = "v23.0"
DAY_S = 86_400
CODE = re.compile(r"-?[0-9]{1,9}")
# Where Meta keeps what people send, beside the Graph API itself.
MEDIA_HOSTS = ("facebook.com", "fbcdn.net", "fbsbx.com", "instagram.com", "cdninstagram.com", "whatsapp.net")


class Verdict(Struct, frozen=True):
    """What an error code means. `wait` is how long to keep away when the provider does not say, in seconds.

    `tries`: of a Temporary (`Temporary.tries`).
    """

    kind: type[Failure]
    reason: str
    wait: float = 0.0
    tries: int = 0


# For codes that say an outage and also what never passes: so the rest of a conversation does not wait for a day. With pauses
# that double up to five minutes it is over an hour; while an outage holds the whole account back hardly any are used up.
OUTAGE_TRIES = 40
# By (code, subcode), or by code.
Verdicts = Mapping[int | tuple[int, int], Verdict]

# The same in every Graph API. A refused account is the operator's to mend: its messages wait, they are not at fault.
COMMON: dict[int | tuple[int, int], Verdict] = {
    0: Verdict(Temporary, "credentials"),
    1: Verdict(Temporary, "provider_error"),
    2: Verdict(Temporary, "provider_error"),
    3: Verdict(Temporary, "credentials"),
    4: Verdict(Throttled, "rate_limit", 60.0),
    10: Verdict(Temporary, "credentials"),
    33: Verdict(Temporary, "credentials"),
    100: Verdict(Permanent, "invalid"),
    190: Verdict(Temporary, "credentials"),
    200: Verdict(Temporary, "credentials"),
    368: Verdict(Temporary, "account_blocked"),
    613: Verdict(Throttled, "rate_limit", 60.0),
    80007: Verdict(Throttled, "rate_limit", 60.0),
}
# On the messaging platform code 2 may also mean that the person blocked the account; no subcode tells which.
MESSAGING = COMMON | {
    2: Verdict(Temporary, "provider_error", tries=OUTAGE_TRIES),
    (2, 2018344): Verdict(Temporary, "credentials"),
}


def error_lines(verdicts: Verdicts) -> tuple[ErrorLine, ...]:
    """A table of verdicts by code, then subcode."""
    places = {((key, 0) if isinstance(key, int) else key): each for key, each in verdicts.items()}
    return tuple(
        ErrorLine(code, each.kind, each.reason, subcode, wait=each.wait, tries=each.tries)
        for (code, subcode), each in sorted(places.items(), key=lambda pair: pair[0])
    )


class GraphError(Struct, frozen=True):
    """The inside of an error envelope. Titles and messages change and may hold addresses: only codes are read."""

    code: int = -1
    error_subcode: int = 0


class WebhookItem(Struct, frozen=True):
    """One thing that an entry tells: a change of WhatsApp's, or an event of the messaging platform's. `entry`: whose it is.

    `at`: when it was told first, ms UTC.
    """

    entry: str
    what: dict[str, Any]
    at: int = 0


# WhatsApp tells changes; the messaging platform tells events, in standby those of conversations that another app has.
LISTS = ("changes", "messaging", "standby")


def read_error(answer: Answer) -> GraphError | None:
    """The Graph error in this answer, or None: then somebody else is speaking, a proxy or a maintenance page."""
    try:
        said = fields(decoded(answer.body)).get("error")
    except ValueError:
        return None
    return GraphError(code_of(said.get("code"), -1), code_of(said.get("error_subcode"), 0)) if isinstance(said, dict) else None


def uploaded(said: Mapping[str, Any], name: str, good_ms: int) -> Uploaded:
    """The file that was just taken. `name`: where the answer has its id; `good_ms`: how long that is good for."""
    handle = ident(said.get(name))
    if not handle:
        raise Unknown("unreadable_answer", f"no {name}")
    return Uploaded.now(handle, good_ms)


def code_of(value: object, otherwise: int) -> int:
    """A code, also where it comes as a text."""
    digits = words(value).removesuffix(".0")
    return int(digits) if CODE.fullmatch(digits) else otherwise


def success(answer: Answer, verdicts: Verdicts) -> dict[str, Any]:
    """The object in an answer that says that it was taken. An error is one whatever the status beside it says.

    Unknown when nobody can tell: it may have been taken.
    """
    taken = 200 <= answer.status < 300
    if not taken or read_error(answer) is not None:
        raise failure(answer, verdicts)
    try:
        return fields(decoded(answer.body))
    except ValueError:
        raise Unknown("unreadable_answer", f"HTTP {answer.status}") from None


def failure(answer: Answer, verdicts: Verdicts) -> Failure:
    """Why the provider did not take it: by (code, subcode), by code, and by HTTP status where the code says nothing to us."""
    error = read_error(answer)
    detail = f"HTTP {answer.status}" if error is None else f"code {error.code}/{error.error_subcode}, HTTP {answer.status}"
    verdict = None
    if error is not None:
        verdict = verdicts.get((error.code, error.error_subcode)) or verdicts.get(error.code)
    if verdict is None:
        verdict = _by_status(answer.status, error)
    if verdict.kind is Throttled:
        return Throttled(verdict.reason, answer.retry_after or verdict.wait, detail)
    if verdict.tries:
        return Temporary(verdict.reason, detail, verdict.tries)
    return verdict.kind(verdict.reason, detail)


def refusal(answer: Answer, verdicts: Verdicts) -> Failure:
    """The same for `connect`: there a refused credential is final, for a person stands in front of it."""
    found = failure(answer, verdicts)
    if isinstance(found, Unknown):
        return Temporary(found.reason, found.detail)
    return Permanent(found.reason, found.detail) if found.reason == "credentials" else found


def _by_status(status: int, error: GraphError | None) -> Verdict:
    if status == 429:
        return Verdict(Throttled, "rate_limit", 5.0)
    if error is None and status in http.UNANSWERED:
        return Verdict(Unknown, "no_answer")
    if status >= 500:
        return Verdict(Temporary, "provider_error")
    if error is None:
        return Verdict(Temporary, f"http_{status}")
    return Verdict(Permanent, f"code_{error.code}")


def is_signed(app_secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """X-Hub-Signature-256 over the raw body, compared in constant time."""
    given = headers.get("x-hub-signature-256", "")
    wanted = "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(given.encode(), wanted.encode())


def challenge(verify_token: str, query: Mapping[str, str]) -> str | None:
    """The hub.challenge to echo, when the query knows our verify token."""
    known = hmac.compare_digest(query.get("hub.verify_token", "").encode(), verify_token.encode())
    if query.get("hub.mode") != "subscribe" or not known:
        return None
    return query.get("hub.challenge")


def of_another(account: str, updates: Iterable[Update]) -> Iterator[Update]:
    """What these, read as if they were said to us, say of another account: what became of its messages is true whoever reads
    it, and all else is for that account alone.
    """
    is_for_it = False
    for each in updates:
        if isinstance(each, ProviderReceipt):
            yield replace(each, account=account)
        elif isinstance(each, Aside):
            yield each
        elif not isinstance(each, Named):
            is_for_it = True
    if is_for_it:
        yield Unclaimed(account)


class MetaChannel(Channel):
    """A channel whose webhooks come from Meta: their verification, their signature, and the walk through what they tell.

    A subclass sets the app's secret and the verify token, and reads one thing at a time.
    """

    _app_secret: str
    _verify_token: str
    # The signature shows its key to nobody, and lets who has the app's secret verify it once more.
    forwarded_headers = frozenset({"content-type", "x-hub-signature-256"})

    @property
    def app(self) -> str:
        """Its secret tells it from others."""
        return hashlib.sha256(self._app_secret.encode()).hexdigest()

    def challenge(self, query: Mapping[str, str]) -> str | None:
        """Meta's hub.challenge."""
        return challenge(self._verify_token, query)

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Meta's X-Hub-Signature-256."""
        return is_signed(self._app_secret, headers, body)

    def read_webhook(self, body: bytes) -> Sequence[Update]:
        """Everything of every entry that can be read."""
        found: list[Update] = []
        for each in webhook_items(body):
            found.extend([each] if isinstance(each, Unreadable) else self.read_item(each))
        return found

    def by_account(self, body: bytes, known: Container[str]) -> dict[str, bytes]:
        """Every entry with what it tells each account. What cannot be read is this account's."""
        webhook, found = _webhook(body), dict[str, list[Any]]()
        for entry in items(webhook.get("entry")):
            for account, part in self._shared_out(entry, known).items():
                found.setdefault(account, []).append(part)
        if len(found) < 2:
            return {next(iter(found), self.account.account_id): body}
        # Not by msgspec: it refuses numbers that no machine holds, and what is told must stay what it is.
        return {account: json.dumps(webhook | {"entry": some}, ensure_ascii=False).encode() for account, some in found.items()}

    def _shared_out(self, entry: Any, known: Container[str]) -> dict[str, Any]:
        own, found = self.account.account_id, dict[str, dict[str, Any]]()
        lists = {name: entry[name] for name in LISTS if name in entry} if isinstance(entry, dict) else {}
        for name, some in lists.items():
            if not isinstance(some, list):
                found.setdefault(own, {})[name] = some
            for what in items(some):
                account = self.account_of(_item(entry, what), known) if isinstance(what, dict) else own
                found.setdefault(account, {}).setdefault(name, []).append(what)
        if not found:
            return {own: entry}
        rest = {name: value for name, value in entry.items() if name not in lists}
        return {account: rest | some for account, some in found.items()}

    @abstractmethod
    def account_of(self, item: WebhookItem, known: Container[str]) -> str:
        """Whom this is told, by the provider's id, as in `by_account`."""

    @abstractmethod
    def read_item(self, item: WebhookItem) -> Iterable[Update]:
        """The updates in one change or event."""


def webhook_items(body: bytes) -> Iterator[WebhookItem | Unreadable]:
    """What the entries of a webhook tell, one by one; what cannot be read does not hide the rest."""
    entries = items(_webhook(body).get("entry"))
    if not entries:
        yield Unreadable("not a webhook")
    for entry in entries:
        lists = [entry[name] for name in LISTS if name in entry] if isinstance(entry, dict) else []
        if not any(lists) or not all(isinstance(each, list) for each in lists):
            yield Unreadable("entry")
        for what in (each for some in lists for each in items(some)):
            yield _item(entry, what) if isinstance(what, dict) else Unreadable("event")


def _webhook(body: bytes) -> dict[str, Any]:
    try:
        return fields(decoded(body))
    except ValueError:
        return {}


def _item(entry: dict[str, Any], what: dict[str, Any]) -> WebhookItem:
    return WebhookItem(ident(entry.get("id")), what, within_second(entry.get("time")))
