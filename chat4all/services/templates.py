"""Templates of accounts as they are known here: read at the provider now and then, and changed as it tells of them."""

from collections.abc import Callable, Mapping, Sequence

from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.events import Event, encode
from chat4all.model.records import NewRecord, partition_of
from chat4all.ports import Channel, MessageStore
from chat4all.ports.templates import AccountTemplate, TemplateChange, TemplatePage
from chat4all.services.accounts.live import accounts_of
from chat4all.v1 import chat_pb2 as pb

PAGE = 100
# No provider allows more: WhatsApp 6,000 for a portfolio.
MOST = 10_000
DELETED = "DELETED"

# Asks the provider for a page of an account's templates, beginning after a place.
Ask = Callable[[str], TemplatePage]
# An account's id as the API calls it, with what is so of a template now.
Changed = tuple[str, AccountTemplate]
# Makes records durable, as `Acceptor.append` does.
Append = Callable[[Sequence[NewRecord]], object]


def publish(append: Append, partitions: int, changed: Sequence[Changed]) -> None:
    """Tell of these changes. Temporary or Unknown: nobody was told, or perhaps nobody."""
    if changed:
        append([encode(template_event(*each, partitions)) for each in changed])


def template_event(account_id: str, template: AccountTemplate, partitions: int) -> Event:
    """What is so of it now. The same however often it is told."""
    each = template
    subject = f"{account_id} {each.name} {each.language}"
    said = pb.TemplateEvent(
        account_id=account_id,
        name=each.name,
        language=each.language,
        status=each.status,
        category=each.category,
        quality=each.quality,
        reason=each.reason,
    )
    event_id = f"template:{account_id}:{each.name}:{each.language}:{each.at}"
    body = pb.Event(event_id=event_id, at_ms=each.at, template=said).SerializeToString()
    return Event("template", "", partition_of(account_id, partitions), body, subject=subject, rank=each.at)


def read_all(store: MessageStore, account_id: str, ask: Ask) -> list[Changed]:
    """Ask for all of them, and keep what the provider says; what changed. Raises as `ask`."""
    at, found, after = now_ms(), dict[tuple[str, str], AccountTemplate](), ""
    while True:
        page = ask(after)
        found |= {(each.name, each.language): replace(each, at=at) for each in page.templates}
        after = page.next
        if not after or len(found) >= MOST:
            break
    known = {(each.name, each.language): each for each in store.templates_of(account_id)}
    gone = [replace(each, status=DELETED, at=at) for key, each in known.items() if key not in found and not after]
    changed = _keep(store, account_id, known, [*found.values(), *gone])
    store.note_templates_read(account_id, at)
    return changed


def noted(store: MessageStore, account_id: str, template: AccountTemplate) -> list[Changed]:
    """This was just asked for, or deleted, through us; what changed."""
    key = account_id, template.name, template.language
    known = {(name, language): each for (_, name, language), each in store.templates_named([key]).items()}
    return _keep(store, account_id, known, [replace(template, at=now_ms())])


def apply_changes(store: MessageStore, channels: Mapping[str, Channel], changes: Sequence[TemplateChange]) -> list[Changed]:
    """The provider told of these; what changed. It names no account: all of the channel's that have the template are meant.

    What is not known here is read the next time that all are.
    """
    found: list[Changed] = []
    for each in changes:
        for account_id in accounts_of(channels).of_channel(each.channel):
            key = account_id, each.name, each.language
            known = store.templates_named([key]).get(key)
            if known and (known.status == DELETED or known.template_id in ("", each.template_id)):
                found += _keep(store, account_id, {key[1:]: known}, [_changed(known, each)])
    return found


def _changed(known: AccountTemplate, change: TemplateChange) -> AccountTemplate:
    return replace(
        known,
        status=change.status or known.status,
        reason=change.reason if change.status else known.reason,
        category=change.category or known.category,
        quality=change.quality or known.quality,
        at=change.at,
    )


def _keep(
    store: MessageStore, account_id: str, known: Mapping[tuple[str, str], AccountTemplate], templates: Sequence[AccountTemplate]
) -> list[Changed]:
    """Those of them that differ from what was known, and are not older; and what is told once more."""
    store.put_templates(account_id, templates)
    changed = []
    for each in templates:
        before = known.get((each.name, each.language))
        is_new = before is None and each.status != DELETED
        is_newer = before is not None and before.at < each.at and replace(before, at=each.at) != each
        if is_new or is_newer or before == each:
            changed.append((account_id, each))
    return changed
