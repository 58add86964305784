"""The message store as one workspace sees it: nothing of others is in it, whatever is asked.

Whoever works for a workspace (the gateway's requests, a stream's calls, what providers bring) is given this in place of the
store, and needs to know nothing of workspaces. What has no row in these tables is not there for a workspace, so a new method
is never forgotten silently (tests/chat4all/test_workspaces.py). `default` has the store itself, but for what could lead beyond.
"""

from collections.abc import Callable, Mapping
from functools import cache
from inspect import signature
from typing import Any, cast

from chat4all.model.handling import LISTS
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.workspaces import BETWEEN, everything_of, stored
from chat4all.ports import MessageStore
from chat4all.services.workspaces.default_guards import GUARDS
from chat4all.services.workspaces.naming import Foreign, Naming

Move = Callable[[Naming, Any], Any]


# How what is given goes in.


def _ids(naming: Naming, given: Any) -> Any:
    """Ids, in whatever they are: texts, structs, lists of them."""
    return naming.inward(given)


def _if_any(naming: Naming, given: Any) -> Any:
    """An id, or nothing."""
    return naming.inward(given) if given else given


def _owner(naming: Naming, given: str) -> str:
    """Whose something is that is held; "": the workspace's."""
    return stored(naming.workspace, given) if given else everything_of(naming.workspace)


def _firsts(naming: Naming, given: Any) -> Any:
    """Lists of tuples, or mappings from them, which begin with an id."""
    if isinstance(given, Mapping):
        return {(naming.inward(key[0]), *key[1:]): value for key, value in given.items()}
    return [(naming.inward(each[0]), *each[1:]) for each in given]


def _places(naming: Naming, given: Any) -> Any:
    """The same, which begin with a channel."""
    if isinstance(given, Mapping):
        return {(naming.space(key[0]), *key[1:]): value for key, value in given.items()}
    return [(naming.space(each[0]), *each[1:]) for each in given] if given else given


def _channel(naming: Naming, given: str) -> str:
    return naming.space(given)


def _arrived(naming: Naming, given: Any) -> Any:
    return [(naming.space(channel), *rest, naming.inward(last)) for channel, *rest, last in given]


def _spoken(naming: Naming, given: Any) -> Any:
    return {(naming.space(key[0]), key[1]): (naming.inward(text), at) for key, (text, at) in (given or {}).items()}


def _change(naming: Naming, given: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda kept: naming.inward(given(naming.outward(kept)))


def _holder(naming: Naming, given: str) -> str:
    """A reference to an object (chat4all/model/files.py): files have ids of their own, conversations and replies ours."""
    kind, _, rest = given.partition(":")
    if kind == "message" and rest.count(":") > 1:
        file_id, conversation_id, message_id = rest.split(":", 2)
        return f"{kind}:{file_id}:{naming.inward(conversation_id)}:{message_id}"
    return f"{kind}:{naming.inward(rest)}" if kind == "saved" else given


def _holders(naming: Naming, given: Any) -> Any:
    return [_holder(naming, each) for each in given]


def _references(naming: Naming, given: Any) -> Any:
    return [(checksum, _holder(naming, holder)) for checksum, holder in given]


# What is stored under ids that a workspace has for itself, by method and argument. Others pass as they are.
IN: Mapping[str, Mapping[str, Move]] = {
    # Directory
    "add_users": {"users": _ids},
    "users": {"user_ids": _ids},
    "claim_addresses": {"identities": _ids},
    "release_address": {"channel": _channel, "user_id": _ids},
    "forward": {"channel": _channel},
    "forwards": {"addresses": _places},
    "owners": {"addresses": _places},
    "identities": {"user_ids": _ids},
    "note_wrote": {"wrote": _places, "to": _places},
    "last_wrote": {"addresses": _places},
    "put_verification": {"verification": _ids},
    "verification": {"user_id": _ids, "channel": _channel},
    "add_conversations": {"founded": _ids},
    "memberships": {"conversation_ids": _ids, "of": _if_any},
    "change_members": {"conversation_id": _ids, "joined": _ids, "left": _ids},
    "conversations_of": {"user_id": _ids},
    "put_link": {"channel": _channel, "conversation_id": _if_any},
    "links": {"addresses": _places},
    "register_inbound": {"inbound": _arrived},
    "arrived": {"ids": _places},
    "last_conversations": {"addresses": _places},
    "open_keys": {"keys": _ids},
    "put_deferred_records": {"records": _ids},
    "deferred_records": {"record_ids": _ids},
    # All of a kind, of every workspace, are counted by whoever has the store itself.
    "count_open_records": {"owner": _ids},
    # Contacts, broadcasts
    "profiles": {"user_ids": _ids},
    "change_profile": {"user_id": _ids, "change": _change},
    "put_broadcast": {"broadcast": _ids},
    "broadcast": {"broadcast_id": _ids},
    # Whose turn it is in a broadcast is called there as in its workspace.
    "put_results": {"broadcast_id": _ids},
    "results": {"broadcast_id": _ids},
    "results_of": {"broadcast_id": _ids},
    "add_audience": {"broadcast_id": _ids},
    "audience": {"broadcast_id": _ids},
    "put_later": {"broadcast_id": _ids},
    "later": {"broadcast_id": _ids},
    # Access
    "change_user": {"user_id": _ids, "change": _change},
    "swap_verification": {"seen": _ids, "wanted": _ids},
    "add_session": {"session": _ids},
    "session": {"user_id": _ids},
    "sessions": {"user_id": _ids},
    "swap_session": {"seen": _ids, "wanted": _ids},
    "drop_sessions": {"user_id": _ids},
    "revoke": {"revocations": _ids},
    "begin_request": {"owner": _ids},
    "swap_request": {"owner": _ids},
    "hold": {"holdings": _ids},
    "holdings": {"owner": _owner},
    "let_go": {"owner": _owner, "things": _ids},
    "presences": {"user_ids": _ids},
    "hide_presence": {"user_id": _ids},
    # History, and what belongs to messages
    "registered": {"ids": _firsts},
    "messages": {"places": _firsts},
    "page": {"conversation_id": _ids},
    "pages": {"spans": _ids},
    "last_seqs": {"conversation_ids": _ids},
    "watermarks": {"conversation_ids": _ids},
    "read_up_to": {"user_id": _ids, "conversation_ids": _ids},
    "modifications": {"places": _firsts},
    "put_raw": {"parts": _firsts},
    "raw": {"conversation_id": _ids},
    "handlings": {"conversation_ids": _ids},
    "change_handling": {"conversation_id": _ids, "change": _change},
    "settle_due": {"done": _ids},
    "record": {"spoken": _spoken},
    "add_dead_letters": {"letters": _ids},
    # Files
    "add_files": {"files": _ids},
    "swap_file": {"wanted": _ids},
    "forget_file": {"file": _ids},
    "keep_object": {"holder": _holder},
    "hold_objects": {"wanted": _references},
    "drop_holders": {"holders": _holders},
    "holders": {"after": _holder},
    # Endpoints, accounts, replies
    "put_webhook": {"webhook": _ids},
    "webhook": {"webhook_id": _ids},
    "webhook_calls": {"webhook_id": _ids},
    "add_recoveries": {"recoveries": _ids},
    "put_account": {"account": _ids},
    "put_app": {"app": _ids},
    "put_saved_reply": {"reply": _ids},
    "remove_saved_reply": {"reply_id": _ids},
}
# What is asked with nothing of a workspace's: by ids that no two have alike, or of all, of which the others' is left out.
ALIKE = frozenset(
    (
        "places_of",
        "deliveries",
        "outcomes",
        "withdraw",
        "withdrawn",
        "handles",
        "files",
        "recoveries",
        "put_templates",
        "templates_of",
        "templates_named",
        "templates_read_at",
        "note_templates_read",
        "account",
        "accounts_changed",
        "app",
        "remove_app",
        "saved_replies",
        "saved_replies_changed",
        "webhooks_changed",
        "kept_webhook",
        "keep_webhooks",
        "defer",
        "forget_deferred",
        "generation",
        "handles_any",
        "retire_object",
        "lanes",
        "lane_rows",
        "waiting",
        "check",
    )
)
# Asked page by page, with pages of their own below.
PAGED = frozenset(
    (
        "open_records",
        "conversation_page",
        "active",
        "contact_page",
        "broadcasts",
        "webhooks",
        "accounts",
        "apps",
        "dead_letters",
    )
)
# What works for all workspaces at once has the store itself: stages, lanes, sweeps, streams, the command line.
DEPLOYMENTS = frozenset(
    (
        "running_broadcasts",
        "raise_last_seen",
        "due_records",
        "open_records_of",
        "hold_keys",
        "unhold_keys",
        "held_keys",
        "held_counts",
        "openings",
        "forget_openings",
        "revocations",
        "register",
        "put_messages",
        "raise_watermarks",
        "put_modifications",
        "deferred",
        "due_handlings",
        "note_changes",
        "changes",
        "put_deliveries",
        "park",
        "parked",
        "fanned",
        "raise_fanned",
        "raise_cursor",
        "swap_lease",
        "waiting_counts",
        "due",
        "keep_topic",
        "progress",
        "raise_progress",
        "beat",
        "begin_tries",
        "excuse_tries",
        "troubles",
        "buried",
        "due_files",
        "uploads",
        "note_uploads",
        "log_webhook_calls",
        "move_recovery",
        "told_seqs",
        "raise_told_seqs",
        "migrate",
        "expire",
        "close",
        "put_workspace",
        "workspace",
        "workspaces",
    )
)


class ScopedStore:
    """Has the methods of a MessageStore that make sense for a workspace. Thread-safe, as that is."""

    def __init__(self, store: MessageStore, workspace: str) -> None:
        self._store, self._naming = store, Naming(workspace)
        self._is_default = workspace == DEFAULT_WORKSPACE

    def __getattr__(self, name: str) -> Any:
        """The method of this name; what lies between is made when it is first asked for."""
        if name.startswith("_"):
            raise AttributeError(name)
        if self._is_default and name not in GUARDS:
            return getattr(self._store, name)
        if self._is_default:
            made = _guarded(self._store, name)
        elif name in IN or name in ALIKE:
            made = _moving(self._store, self._naming, name)
        else:
            raise AttributeError(f"a workspace has no {name}")
        setattr(self, name, made)
        return made

    def conversation_page(self, reader: str, after: str, limit: int) -> list[str]:
        """As `Listing` says it."""
        naming = self._naming
        if self._is_default and not reader:
            return self._pages(lambda last, most: self._store.conversation_page("", last, most), after, limit)
        found = self._store.conversation_page(_owner(naming, reader), _if_any(naming, after), limit)
        return [naming.outward(each) for each in found]

    def active(self, reader: str, up_to: int, limit: int) -> list[tuple[int, str]]:
        """As `Listing` says it."""
        all_of = everything_of(self._naming.workspace)
        is_list = reader.startswith(LISTS)
        listed = f"{LISTS}{all_of}{reader.removeprefix(LISTS)}" if is_list else _owner(self._naming, reader)
        return [(slot, self._naming.outward(name)) for slot, name in self._store.active(listed, up_to, limit)]

    def contact_page(self, tag: str, after: str, limit: int) -> list[str]:
        """As `Contacts` says it."""
        naming = self._naming
        if not self._is_default:
            found = self._store.contact_page(f"{naming.workspace} {tag}", _if_any(naming, after), limit)
            return [naming.outward(each) for each in found]
        if tag:
            return self._store.contact_page(tag, after, limit)
        return self._pages(lambda last, most: self._store.contact_page("", last, most), after, limit)

    def open_records(self, kind: str, limit: int, after: tuple[int, str] = (-1, ""), owner: str = "") -> list[Any]:
        """As `DeferredRecords` says it."""
        naming = self._naming
        place = (after[0], _if_any(naming, after[1]))
        found: list[Any] = []
        while len(found) < limit and (page := self._store.open_records(kind, limit, place, _if_any(naming, owner))):
            found += [naming.outward(each) for each in page if naming.is_own(each.record_id)]
            place = page[-1].place
            if len(page) < limit:
                break
        return found[:limit]

    def broadcasts(self, limit: int, after: str = "") -> list[Any]:
        """As `Broadcasts` says it."""
        return self._pages(lambda last, most: self._store.broadcasts(most, last), after, limit, "broadcast_id")

    def webhooks(self, limit: int, after: str = "") -> list[Any]:
        """As `Webhooks` says it."""
        return self._pages(lambda last, most: self._store.webhooks(most, last), after, limit, "webhook_id")

    def accounts(self, limit: int, after: str = "") -> list[Any]:
        """As `Accounts` says it."""
        return self._pages(lambda last, most: self._store.accounts(most, last), after, limit, "account_id", is_alike=True)

    def apps(self, limit: int, after: str = "") -> list[Any]:
        """As `Accounts` says it."""
        return self._pages(lambda last, most: self._store.apps(most, last), after, limit, "app_id", is_alike=True)

    def dead_letters(self, day: str, limit: int, after: str = "") -> list[Any]:
        """As `ProgressStore` says it."""
        return self._pages(
            lambda last, most: self._store.dead_letters(day, most, last), after, limit, "letter_id", is_alike=True
        )

    def _pages(
        self, read: Callable[[str, int], list[Any]], after: str, limit: int, key: str = "", is_alike: bool = False
    ) -> list[Any]:
        """The next of this workspace, from pages of all. `key`: the field to go on after; "": they are ids themselves.

        `is_alike`: the same in every workspace.
        """
        found: list[Any] = []
        last = after if is_alike or not after else self._naming.inward(after)
        while len(found) < limit and (page := read(last, limit)):
            for each in page:
                try:
                    found.append(self._own(each))
                except Foreign:
                    continue
            last = getattr(page[-1], key) if key else page[-1]
            if len(page) < limit:
                break
        return found[:limit]

    def _own(self, each: Any) -> Any:
        if isinstance(each, str) and not self._naming.is_own(each):
            raise Foreign
        return self._naming.outward(each)


def _guarded(store: MessageStore, name: str) -> Callable[..., Any]:
    guard = GUARDS[name]
    return lambda *given, **named: guard(getattr(store, name), *given, **named)


@cache
def _parameters(name: str) -> tuple[str, ...]:
    return tuple(signature(getattr(MessageStore, name)).parameters)[1:]


def _moving(store: MessageStore, naming: Naming, name: str) -> Callable[..., Any]:
    """The method, with what goes in and out of it as it is stored, and as the workspace calls it."""
    moves = IN.get(name, {})
    names = _parameters(name)
    outward = _bare_holders if name == "holders" else Naming.outward

    def method(*given: Any, **named: Any) -> Any:
        moved = [moves[each](naming, value) if each in moves else value for each, value in zip(names, given, strict=False)]
        more = {each: moves[each](naming, value) if each in moves else value for each, value in named.items()}
        try:
            return outward(naming, getattr(store, name)(*moved, **more))
        except Foreign:
            return None

    return method


def _bare_holders(naming: Naming, found: Mapping[str, int]) -> dict[str, int]:
    own = f":{naming.workspace}{BETWEEN}"
    return {holder.replace(own, ":", 1): at for holder, at in found.items()}


def scoped(store: MessageStore, workspace: str) -> MessageStore:
    """The store as this workspace sees it."""
    return cast("MessageStore", ScopedStore(store, workspace))
