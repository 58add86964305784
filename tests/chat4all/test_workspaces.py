"""What is stored says whose it is, and nobody meets anything of another workspace."""

import inspect
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from chat4all.model import event_naming
from chat4all.model.callers import Caller
from chat4all.model.content import Text
from chat4all.model.conversations import Conversation, ConversationType, Identity, User, UserKind
from chat4all.model.drafts import Draft
from chat4all.model.event_naming import bare_event, stored_event
from chat4all.model.files import message_holder, message_prefix
from chat4all.model.ids import DEFAULT_WORKSPACE, keyed_message_id
from chat4all.model.messages import Message, Recipient
from chat4all.model.records import ProviderReceipt, incoming_record, partition_of, status_record
from chat4all.model.workspaces import bare, check_workspace_id, everybody, stored, workspace_of
from chat4all.ports import MessageStore
from chat4all.services.acceptance.draft_work import message_id_of
from chat4all.services.access import tokens
from chat4all.services.workspaces.default_guards import GUARDS
from chat4all.services.workspaces.naming import FIELDS, WITHIN, Naming
from chat4all.services.workspaces.scoped_log import ScopedLog
from chat4all.services.workspaces.scoped_store import ALIKE, DEPLOYMENTS, IN, PAGED, scoped
from chat4all.settings import Settings
from chat4all.v1 import chat_pb2 as pb
from storage.open import open_store

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True)
BARE_IDS = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)


@given(NAMES, BARE_IDS)
def test_a_stored_id_says_both_whose_it_is_and_what_it_is_called(workspace: str, bare_id: str) -> None:
    """Back and forth nothing is lost; in `default` nothing changes, so what older code wrote is found."""
    kept = stored(workspace, bare_id)
    assert (workspace_of(kept), bare(kept)) == (workspace, bare_id)
    assert stored(DEFAULT_WORKSPACE, bare_id) == bare_id
    assert everybody(kept) == ("" if workspace == DEFAULT_WORKSPACE else f"{workspace}/")


@given(NAMES, st.text(max_size=20), NAMES, st.text(max_size=20))
def test_no_two_workspaces_and_no_two_ids_meet(one: str, its: str, other: str, others: str) -> None:
    """Whatever text is given as an id: in `default` too, where one with the sign between the two is nobody's."""
    assert (stored(one, its) == stored(other, others)) == ((one, its) == (other, others))


@given(NAMES, BARE_IDS)
def test_a_conversation_has_one_partition_whoever_asks(workspace: str, bare_id: str) -> None:
    """Deliveries are found by it, from the bare id and from the stored one."""
    assert partition_of(stored(workspace, bare_id), 16) == partition_of(bare_id, 16)


@pytest.mark.parametrize("wrong", ["", "default", "Acme", "1a", "a/b", "a b", "a" * 33])
def test_a_workspace_is_not_called_like_this(wrong: str) -> None:
    """Its name stands before ids."""
    with pytest.raises(ValueError, match="1 to 32"):
        check_workspace_id(wrong)


def test_every_method_of_the_store_says_what_it_is_for_a_workspace() -> None:
    """A method that is added must be put into one of the tables: else no workspace has it."""
    methods = {name for name, _ in inspect.getmembers(MessageStore, inspect.isfunction) if not name.startswith("_")}
    known = set(IN) | ALIKE | PAGED | DEPLOYMENTS
    assert methods - known == set()
    assert set(GUARDS) <= set(IN) | ALIKE
    for name, moves in IN.items():
        assert set(moves) <= set(inspect.signature(getattr(MessageStore, name)).parameters), name


def test_every_field_that_holds_an_id_exists() -> None:
    """A field that is renamed is renamed in the tables too; and no struct with one of these names is forgotten."""
    for kind, names in [*FIELDS.items(), *WITHIN.items()]:
        assert set(names) <= set(kind.__struct_fields__), kind
    for kind in FIELDS:
        like = {"conversation_id", "user_id", "sender", "owner", "assignee", "changed_by", "created_by"}
        assert like & set(kind.__struct_fields__) <= set(FIELDS[kind]), kind


def structs() -> list[tuple[Any, Any]]:
    group = Conversation("c", ConversationType.GROUP, "alice", 1)
    own = msgspec.structs.replace(group, conversation_id="acme/c", owner="acme/alice")
    return [
        (User("alice", UserKind.PERSON, 1), User("acme/alice", UserKind.PERSON, 1)),
        (Identity("whatsapp", "+1", "alice", 1), Identity("acme/whatsapp", "+1", "acme/alice", 1)),
        ([(group, ["alice"])], [(own, ["acme/alice"])]),
        (
            Message("m", "c", "alice", Text("acme/alice"), 1, 1, (Recipient("bob", "whatsapp", "+1"),), {"user_id": "acme/x"}),
            Message(
                "m", "acme/c", "acme/alice", Text("acme/alice"), 1, 1, (Recipient("acme/bob", "whatsapp", "+1"),),
                {"user_id": "acme/x"},
            ),
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(("given_", "kept"), structs())
def test_ids_are_renamed_and_nobody_s_words(given_: Any, kept: Any) -> None:
    """Inward and outward again is as it was; texts and metadata pass as they are."""
    naming = Naming("acme")
    assert naming.inward(given_) == kept
    assert naming.outward(kept) == given_
    assert Naming(DEFAULT_WORKSPACE).inward(given_) == given_


EVENTS = {
    "message": pb.Event(message=pb.MessageEvent(message_id="m", conversation_id="c", sender="alice", text="acme/alice")),
    "state": pb.Event(state=pb.StateEvent(message_id="m", conversation_id="c", recipient="alice")),
    "position": pb.Event(position=pb.PositionEvent(conversation_id="c", user_id="alice")),
    "conversation": pb.Event(
        event_id="conversation:c:2", conversation=pb.ConversationEvent(conversation_id="c", members_version=2)
    ),
    "handling": pb.Event(
        event_id="handling:c:1", handling=pb.HandlingEvent(conversation_id="c", assignee="alice", changed_by="bob")
    ),
    "contact": pb.Event(
        event_id="contact:k:1:updated",
        contact=pb.ContactEvent(contact_id="k", change="updated", changed_by="bob", merged_into="c"),
    ),
    "typing": pb.Event(typing=pb.TypingEvent(conversation_id="c", user_id="alice")),
    "presence": pb.Event(presence=pb.PresenceEvent(user_id="alice", online=True)),
    "webhook": pb.Event(event_id="webhook:w:1", webhook=pb.WebhookEvent(webhook_id="w", change="test")),
}


def test_every_kind_of_event_says_where_its_ids_are() -> None:
    """A kind that is added is put into the table: else its readers would see how things are stored."""
    kinds = {field.name for field in pb.Event.DESCRIPTOR.oneofs_by_name["kind"].fields}
    assert kinds - {"reload"} == set(event_naming.FIELDS)


@pytest.mark.parametrize("kind", EVENTS)
def test_readers_are_told_events_as_they_call_things(kind: str) -> None:
    """What the log has says whose it is, what they get does not."""
    body = EVENTS[kind].SerializeToString()
    in_log = stored_event(body, "acme")
    read = pb.Event.FromString(in_log)
    assert workspace_of(getattr(getattr(read, kind), event_naming.FIELDS[kind][0])) == "acme"
    assert bare_event(in_log) == body
    assert bare_event(bare_event(in_log)) == body


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = open_store(Settings(data=tmp_path))
    opened.migrate()
    yield opened
    opened.close()


def test_the_same_names_in_two_workspaces_are_two_people_with_their_own_conversations(store: MessageStore) -> None:
    """A chosen id, a pair, an address and the lists of all: each sees its own, and `default` nothing of another's."""
    views = {name: scoped(store, name) for name in (DEFAULT_WORKSPACE, "acme", "zeta")}
    for name, view in views.items():
        view.add_users([User("alice", UserKind.PERSON, 1, f"Alice of {name}"), User("bob", UserKind.CONTACT, 1, name)])
        view.add_conversations([(Conversation("c", ConversationType.GROUP, "alice", 1, {"of": name}), ["alice", "bob"])])
        [kept] = view.claim_addresses([Identity("whatsapp", "+1", "bob", 1)])
        assert kept == Identity("whatsapp", "+1", "bob", 1)
        view.change_profile("bob", lambda there: msgspec.structs.replace(there, tags=("vip",)))
    for name, view in views.items():
        assert view.users(["alice"])["alice"].display_name == f"Alice of {name}"
        assert view.memberships(["c"])["c"].conversation.metadata == {"of": name}
        assert [each for _, each in view.active("", 10**9, 10)] == ["c"]
        assert view.conversation_page("", "", 1) == view.conversation_page("", "", 5) == ["c"]
        assert view.conversations_of("alice") == ["c"]
        assert view.contact_page("", "", 5) == view.contact_page("vip", "", 5) == ["bob"]
        assert view.owners([("whatsapp", "+1")])["whatsapp", "+1"].user_id == "bob"
        for other in {*views} - {name, DEFAULT_WORKSPACE}:
            assert not view.users([f"{other}/alice"])
            assert not view.memberships([f"{other}/c"])


def test_what_a_workspace_appends_says_whose_it_is() -> None:
    """The record of a message has the ids as they are stored, in the same partition."""
    appended: list[Any] = []

    class Log:
        def append(self, records: Any, _timeout: float) -> list[int]:
            appended.extend(records)
            return [0]

    log: Any = Log()
    message = Message("m", "c", "alice", Text("hi"), 1, 1, (Recipient("bob", "whatsapp"),))
    given_ = incoming_record(message, 8, {"x": "y"})
    ScopedLog(log, "acme").append([given_], 1)
    [record] = appended
    assert (record.partition, record.key, record.headers) == (given_.partition, "acme/c", given_.headers)
    assert msgspec.json.decode(record.value)["recipients"] == [{"user_id": "acme/bob", "channel": "whatsapp"}]
    receipt = status_record(ProviderReceipt("whatsapp", "1", "w", "read", 1, reference="whatsapp:3:17:0"), 8, {})
    ScopedLog(log, "acme").append([receipt], 1)
    assert msgspec.json.decode(appended[-1].value)["reference"] == "acme/whatsapp:3:17:0"
    assert (appended[-1].partition, appended[-1].key) == (receipt.partition, receipt.key)


def test_a_token_names_its_workspace_and_an_older_one_is_of_default() -> None:
    """Tokens of `default` are as they always were."""
    user = User("alice", UserKind.PERSON, 1)
    key = "k" * 32
    said = tokens.verify(tokens.issue(user, tokens.ACCESS, 60, key, "s", workspace="acme"), key)
    assert (said.user_id, said.workspace, said.stored_id) == ("alice", "acme", "acme/alice")
    old = tokens.verify(tokens.issue(user, tokens.ACCESS, 60, key, "s"), key)
    assert old == Caller("alice", UserKind.PERSON, frozenset(), "s", 0, DEFAULT_WORKSPACE)
    assert old.stored_id == "alice"


def test_structs_of_the_tables_are_structs() -> None:
    """So that `replace` works on them."""
    assert all(issubclass(each, Struct) for each in FIELDS)


def test_a_message_s_file_is_held_as_stages_know_it(store: MessageStore) -> None:
    """What a workspace's acceptance holds, whoever tidies up finds by the conversation as it is stored; and the other way."""
    acme = scoped(store, "acme")
    acme.keep_object("sum", "key", "file:f", 1)
    assert acme.hold_objects([("sum", message_holder("f", "c", "m")), ("sum", "saved:r:1:f")], 2) == [True, True]
    kept = {"file:f", message_holder("f", "acme/c", "m"), "saved:acme/r:1:f"}
    assert set(store.holders("sum", "", 9)) == kept
    assert list(acme.holders("sum", message_prefix("f"), 9)) == [message_holder("f", "c", "m")]
    acme.drop_holders("sum", [message_holder("f", "c", "m"), "saved:r:1:f"])
    assert set(store.holders("sum", "", 9)) == {"file:f"}


def test_a_key_means_one_message_in_each_workspace() -> None:
    """The same client name and key of another workspace is another message."""
    draft = Draft(Text("hi"), key="k")
    ids = {
        message_id_of(Caller("shop", UserKind.CLIENT, workspace=each), draft) for each in ("acme", "zeta", DEFAULT_WORKSPACE)
    }
    assert len(ids) == 3
    assert keyed_message_id(DEFAULT_WORKSPACE, "shop", "k") in ids
