"""What of events, and of what the store keeps, is found by search: a message by its words, and by the names of its files.

A new message is taken from its event. What changed later is not: the store is asked how the message is now, so it does not
matter in which order, or how often, one hears of it.
"""

from collections.abc import Iterable, Mapping, Sequence

from google.protobuf.message import DecodeError
from msgspec import Struct

from chat4all.model.content import MODIFIERS, Content, Media, Reaction, Text, Vote, read_shown, type_of
from chat4all.model.content_proto import payload_of
from chat4all.model.conversations import Identity, User, UserKind
from chat4all.model.events import kind_of
from chat4all.model.merges import Family
from chat4all.model.messages import Message
from chat4all.model.modifiers import as_it_is_now
from chat4all.model.records import Record
from chat4all.model.search_terms import searched
from chat4all.ports import Document, MessageStore, PersonFound
from chat4all.services.contacts.families import families
from chat4all.services.directory import described
from chat4all.services.modified import modifications_of
from chat4all.telemetry import logs
from chat4all.v1 import chat_pb2 as pb

log = logs.logger(__name__)

NOTE = "note"
SAID = ("message", NOTE)
FOUNDED = "conversation"
CONTACT = "contact"
# Others are found by nobody: they are no people.
PEOPLE = (UserKind.PERSON, UserKind.CONTACT)


class Heard(Struct):
    """What some events say: messages that are new, (conversation, message_id) of those that changed, who is to be found.

    `contacts`: who is called otherwise now, or has other addresses.
    """

    documents: list[Document] = []
    changed: list[tuple[str, str]] = []
    people: set[str] = set()
    contacts: set[str] = set()
    conversations: set[str] = set()


def heard(records: Iterable[Record]) -> Heard:
    """Of these records of chat-events. What cannot be read is said, and passed over."""
    found = Heard()
    for record in records:
        kind = kind_of(record)
        if kind not in (*SAID, FOUNDED, CONTACT):
            continue
        try:
            event = pb.Event.FromString(record.value)
        except DecodeError as error:
            log.error("event_unreadable", partition=record.partition, offset=record.offset, why=str(error))
            continue
        if kind == FOUNDED:
            found.conversations.add(event.conversation.conversation_id)
        elif kind == CONTACT:
            found.contacts.add(event.contact.contact_id)
        else:
            _hear(found, getattr(event, kind), kind == NOTE)
    return found


def _hear(found: Heard, said: pb.MessageEvent, is_internal: bool) -> None:
    content = _content(said)
    found.people.add(said.sender)
    target = content.target if isinstance(content, MODIFIERS) else ""
    if not target:
        found.documents.append(
            Document(
                conversation_id=said.conversation_id,
                seq=said.seq,
                at=said.accepted_at_ms,
                text=searched(content),
                type=type_of(content),
                is_internal=is_internal,
                is_new=True,
            )
        )
    elif not isinstance(content, Reaction | Vote):
        found.changed.append((said.conversation_id, target))


def _content(said: pb.MessageEvent) -> Content:
    if said.HasField("content"):
        return read_shown(payload_of(said))
    if said.HasField("file"):
        return Media(said.file.file_id, said.text, said.file.filename)
    return Text(said.text)


def as_they_are_now(store: MessageStore, changed: Sequence[tuple[str, str]]) -> list[Document]:
    """Messages (conversation, message_id) that were edited or deleted. Those that the store does not have are absent."""
    kept = store.registered(list(set(changed))) if changed else {}
    places = [(each.conversation_id, each.seq) for each in kept.values()]
    return documents_of(store, list(store.messages(places).values())) if places else []


def documents_of(store: MessageStore, messages: Sequence[Message]) -> list[Document]:
    """Stored messages as they are to be found now. What is seen with another message is none."""
    shown = [each for each in messages if not each.is_of_another]
    known = modifications_of(store, shown) if shown else {}
    return [_document(each, as_it_is_now(each, known.get((each.conversation_id, each.seq), ())).payload) for each in shown]


def _document(message: Message, payload: Content | None) -> Document:
    return Document(
        conversation_id=message.conversation_id,
        seq=message.seq,
        at=message.accepted_at,
        text=None if payload is None else searched(payload),
        type=type_of(payload or message.payload),
        is_internal=message.is_internal,
    )


def people_of(store: MessageStore, user_ids: Iterable[str]) -> list[PersonFound]:
    """These users as they are to be found now: without words who is no more, is no person, or was merged into another."""
    wanted = sorted(user_ids)
    found = families(store, wanted)
    members = list({each for family in found.values() for each in family.members})
    users = store.users(members) if members else {}
    people = {each.user_id: each for each in users.values() if each.kind in PEOPLE}
    owned = store.identities(list(people)) if people else {}
    return [_person(each, found[each], people, owned) for each in wanted]


def _person(user_id: str, family: Family, people: Mapping[str, User], owned: Mapping[str, Sequence[Identity]]) -> PersonFound:
    if user_id not in people or user_id != family.root:
        return PersonFound(user_id)
    same = [each for each in family.members if each in people]
    return PersonFound(user_id, *described([people[each] for each in same], [place for each in same for place in owned[each]]))


def members_of(store: MessageStore, conversation_ids: Iterable[str]) -> set[str]:
    """Everybody who is in these conversations now."""
    wanted = sorted(conversation_ids)
    return {user_id for each in store.memberships(wanted).values() for user_id in each.now()} if wanted else set()
