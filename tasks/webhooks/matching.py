"""Of which events an endpoint wants to hear. Pure rules."""

from collections.abc import Collection, Mapping

from msgspec import Struct

from chat4all.model.deliveries import DeliveryKey
from chat4all.model.event_naming import workspace_of_event
from chat4all.model.event_types import PROVIDER, TEST, event_type
from chat4all.model.events import FORWARDED, Event
from chat4all.model.forwarded import provider_call_of
from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.workspaces import workspace_of
from chat4all.ports.webhooks import Filter, Webhook
from chat4all.v1 import chat_pb2 as pb

# Told to those only who ask for them by name.
ASKED_ONLY = frozenset({"presence.updated", "typing.updated", "note.accepted", "note.updated", "note.deleted", PROVIDER})


class Known(Struct, frozen=True):
    """What events do not say. `labels`: of conversations. `accounts`: by account_id, all that the account is called.

    The environment's account has its channel's name for an id. `workspaces`: of accounts by the provider's id, where
    they are not of `default`.
    """

    labels: Mapping[str, Collection[str]] = {}
    accounts: Mapping[str, Collection[str]] = {}
    workspaces: Mapping[str, str] = {}


def wants(webhook: Webhook, event: Event, known: Known = Known()) -> bool:  # noqa: B008 - frozen
    """Whether an endpoint is to be told of this event."""
    if 0 <= event.offset < webhook.starts.get(event.partition, 0):
        return False
    if workspace_of(webhook.webhook_id) not in _workspaces(event, known):
        return False
    kind = event_type(event)
    if kind == TEST:
        return event.subject == webhook.webhook_id
    if webhook.events and kind not in webhook.events:
        return False
    if not webhook.events and kind in ASKED_ONLY:
        return False
    return passes(webhook.filter, event, known)


def _workspaces(event: Event, known: Known) -> set[str]:
    """Whose endpoints hear of it. What a provider sent may be for several accounts: nobody's, unless they are all of one."""
    if event.kind != FORWARDED:
        return {workspace_of_event(event)}
    call = provider_call_of(event.body)
    found = {known.workspaces.get(each, DEFAULT_WORKSPACE) for each in (call.account, *call.others)}
    return found if len(found) == 1 else set()


def passes(asked: Filter, event: Event, known: Known = Known()) -> bool:  # noqa: B008 - frozen
    """Whether all that a filter asks holds. An event that belongs to no channel passes no filter that asks for one."""
    if asked.conversations and event.conversation_id not in asked.conversations:
        return False
    if asked.labels and not set(asked.labels) & set(known.labels.get(event.conversation_id, ())):
        return False
    if not asked.channels and not asked.accounts:
        return True
    sent, came = places(event)
    if asked.channels and not {*sent, came.channel} & set(asked.channels):
        return False
    return not asked.accounts or bool(accounts(event, known) & set(asked.accounts))


def places(event: Event) -> tuple[Collection[str], pb.Origin]:
    """The channels to which what this event is about goes, and where it came from."""
    if event.kind == "state":
        return [DeliveryKey.parse(event.subject).lane.channel], pb.Origin()
    if event.kind == FORWARDED:
        provider_call = provider_call_of(event.body)
        return [], pb.Origin(channel=provider_call.channel, account=provider_call.account)
    if event.kind not in ("message", "account"):
        return [], pb.Origin()
    read = pb.Event.FromString(event.body)
    if event.kind == "account":
        return [read.account.channel], pb.Origin()
    return read.message.channels, read.message.origin


def accounts(event: Event, known: Known) -> set[str]:
    """What its accounts are called: of what goes those that send it, of what came the one that it came to."""
    if event.kind == FORWARDED:
        call = provider_call_of(event.body)
        to = {call.account, *call.others}
        return to | {name for names in known.accounts.values() if to & set(names) for name in names}
    sent, came = places(event)
    read = pb.Event.FromString(event.body)
    if event.kind == "account":
        return {read.account.account_id, read.account.provider_account_id}
    chosen = [read.state.account_id] if read.state.account_id else read.message.account_ids
    found = {name for each in chosen or sent for name in known.accounts.get(each, ())}
    here = known.accounts.get(came.account_id or came.channel, ())
    return found | ({came.account} - {""}) | set(here if came.account_id or came.account in here else ())
