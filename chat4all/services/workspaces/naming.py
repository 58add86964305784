"""What a workspace calls things, put into what is stored, and back: the one place that knows which fields hold such ids.

Texts that stand for themselves, alone or in lists and as keys, are ids; of structs those fields that are named here. Everything
else passes as it is: nobody's words are ids.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace

from chat4all.model import (
    broadcasts,
    contacts,
    conversations,
    deferred_records,
    deliveries,
    files,
    handling,
    messages,
    modifiers,
    records,
)
from chat4all.model import saved_replies as replies
from chat4all.model import sessions as logins
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.workspaces import BETWEEN, bare, space, stored, workspace_of
from chat4all.ports import accounts, changes, directory, history, holds, progress, webhooks
from chat4all.ports import deliveries as rows

# Fields that hold an id, or are empty. By the first of each it is known whose the whole is.
FIELDS: Mapping[type[Struct], tuple[str, ...]] = {
    conversations.User: ("user_id",),
    conversations.Identity: ("user_id",),
    conversations.Verification: ("user_id",),
    conversations.Conversation: ("conversation_id", "owner"),
    conversations.Member: ("user_id",),
    logins.Session: ("user_id",),
    logins.Revocation: ("user_id",),
    deliveries.Watermark: ("conversation_id", "user_id"),
    deliveries.Delivery: ("conversation_id", "user_id"),
    history.Registration: ("conversation_id",),
    history.Span: ("conversation_id",),
    messages.Message: ("conversation_id", "sender"),
    messages.Recipient: ("user_id",),
    records.Position: ("conversation_id", "user_id"),
    modifiers.Modification: ("conversation_id", "sender"),
    handling.Handling: ("conversation_id", "assignee", "changed_by"),
    handling.Due: ("conversation_id",),
    changes.Change: ("conversation_id",),
    rows.Waiting: ("conversation_id",),
    directory.Arrived: ("conversation_id", "sender"),
    files.StoredFile: ("conversation_id", "owner"),
    broadcasts.Broadcast: ("broadcast_id", "created_by", "sender"),
    deferred_records.DeferredRecord: ("record_id", "owner"),
    holds.LaneKey: ("conversation_id",),
    contacts.Profile: ("user_id", "changed_by", "blocked_by"),
    contacts.Merge: ("into", "by", "undone_by"),
    replies.SavedReply: ("reply_id", "changed_by"),
    webhooks.Webhook: ("webhook_id", "created_by"),
    webhooks.WebhookCall: ("webhook_id", "conversation_id"),
    webhooks.Recovery: ("webhook_id",),
    progress.DeadLetter: ("conversation_id",),
}
# Fields that hold more of these, or lists of ids.
WITHIN: Mapping[type[Struct], tuple[str, ...]] = {
    conversations.Membership: ("conversation", "members"),
    messages.Message: ("recipients",),
    webhooks.Webhook: ("filter",),
    webhooks.Filter: ("conversations",),
    contacts.Profile: ("merges", "absorbed", "includes"),
}
# They say whose they are themselves, and have ids that no two have alike.
OWNED = (accounts.ConnectedAccount, accounts.ProviderApp)
# Fields that hold the channel, where the space of its addresses is stored.
SPACED = (conversations.Identity, conversations.Verification)


class Foreign(Exception):
    """This is of another workspace."""


class Naming:
    """Of one workspace."""

    def __init__(self, workspace: str) -> None:
        self.workspace = workspace
        self._is_default = workspace == DEFAULT_WORKSPACE
        self._prefix = workspace + BETWEEN

    def inward(self, given: Any) -> Any:
        """As it is stored."""
        if isinstance(given, str):
            return stored(self.workspace, given)
        if isinstance(given, Struct):
            return self._struct_inward(given)
        if isinstance(given, Mapping):
            return {self.inward(key): value for key, value in given.items()}
        if isinstance(given, list | tuple | set | frozenset):
            return type(given)(self.inward(each) for each in given)
        return given

    def _struct_inward(self, given: Struct) -> Struct:
        kind = type(given)
        if isinstance(given, logins.Holding):
            return self._holding_inward(given)
        if kind in OWNED:
            return replace(given, workspace=self.workspace, created_by=self._optional(asdict(given)["created_by"]))
        changed = {name: self._optional(getattr(given, name)) for name in FIELDS.get(kind, ())}
        changed |= {name: self.inward(getattr(given, name)) for name in WITHIN.get(kind, ())}
        if kind in SPACED:
            changed["channel"] = self.space(getattr(given, "channel"))  # noqa: B009 - of some structs only
        return replace(given, **changed) if changed else given

    def _holding_inward(self, given: logins.Holding) -> Struct:
        owner = "" if self._is_default and not given.owner else stored(self.workspace, given.owner)
        return replace(given, owner=owner, thing=stored(self.workspace, given.thing))

    def _optional(self, given: str) -> str:
        return stored(self.workspace, given) if given else given

    def outward(self, kept: Any) -> Any:
        """As the workspace calls it: of several without those of others. Foreign where it is another's itself."""
        if isinstance(kept, str):
            return self._own(kept)
        if isinstance(kept, Struct):
            return self._struct_outward(kept)
        if isinstance(kept, Mapping):
            return dict(self._all((key, value) for key, value in kept.items()))
        if isinstance(kept, list):
            return self._all(kept)
        if isinstance(kept, tuple):
            return tuple(self.outward(each) for each in kept)
        return kept

    def _all(self, kept: Any) -> list[Any]:
        found = []
        for each in kept:
            try:
                found.append(self.outward(each))
            except Foreign:
                continue
        return found

    def _own(self, kept: str) -> str:
        return kept if self._is_default else kept.removeprefix(self._prefix)

    def is_own(self, stored_id: str) -> bool:
        """Whether this is of this workspace."""
        return workspace_of(stored_id) == self.workspace

    def _struct_outward(self, kept: Struct) -> Struct:
        kind = type(kept)
        if kind in OWNED and getattr(kept, "workspace") != self.workspace:  # noqa: B009 - of some structs only
            raise Foreign
        names = ("owner", "thing") if kind is logins.Holding else FIELDS.get(kind, ())
        if names and not self.is_own(getattr(kept, names[0])):
            raise Foreign
        if self._is_default:
            return kept
        if kind in OWNED:
            names = ("created_by",)
        changed = {name: bare(getattr(kept, name)) for name in names if getattr(kept, name)}
        changed |= {name: self.outward(getattr(kept, name)) for name in WITHIN.get(kind, ())}
        if kind in SPACED:
            changed["channel"] = bare(getattr(kept, "channel"))  # noqa: B009 - of some structs only
        renamed: Struct = replace(kept, **changed) if changed else kept
        return renamed

    def space(self, channel: str) -> str:
        """Where addresses of this channel mean the same person."""
        return space(self.workspace, channel)
