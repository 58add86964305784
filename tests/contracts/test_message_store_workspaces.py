"""Every message store keeps workspaces, and keeps what is in one apart from all others."""

from msgspec.structs import replace

from chat4all.model.conversations import Conversation, ConversationType, User, UserKind
from chat4all.model.workspaces import Limits, Workspace
from chat4all.ports import MessageStore
from chat4all.services.workspaces.scoped_store import scoped
from tests.contracts.stores import fresh


def named() -> str:
    """The id of a workspace that nobody has yet."""
    return f"w{fresh('w').encode().hex()[-24:]}"


def test_a_workspace_is_read_as_it_was_written(store: MessageStore, other: MessageStore) -> None:
    """Every field of it, by everybody; whoever has not seen the newest version changes nothing."""
    made = Workspace(named(), "Acmé", "active", Limits(3, 4), 1, 5, 6, "root")
    assert store.workspace(made.workspace_id) is None
    assert store.put_workspace(made)
    assert other.workspace(made.workspace_id) == made
    assert not other.put_workspace(replace(made, name="again"))
    assert not other.put_workspace(replace(made, name="too soon", version=3))
    changed = replace(made, state="suspended", version=2)
    assert other.put_workspace(changed)
    assert store.workspace(made.workspace_id) == changed


def test_workspaces_are_listed_by_id(store: MessageStore, other: MessageStore) -> None:
    """Page by page."""
    ids = sorted(named() for _ in range(5))
    for each in ids:
        assert store.put_workspace(Workspace(each))
    found: list[str] = []
    while page := other.workspaces(2, found[-1] if found else ""):
        found += [each.workspace_id for each in page]
    assert [each for each in found if each in ids] == ids
    assert found == sorted(found)


def test_each_workspace_lists_its_own(store: MessageStore, other: MessageStore) -> None:
    """Conversations by id and by activity, contacts and those with a tag: the same ids in each, and nobody else's."""
    conversation = fresh("c")
    views = {name: (scoped(store, name), scoped(other, name)) for name in (named(), named())}
    for writes, _ in views.values():
        users = [User("alice", UserKind.PERSON, 1), User("bob", UserKind.CONTACT, 1), User("carol", UserKind.CONTACT, 1)]
        writes.add_users(users)
        writes.add_conversations([(Conversation(conversation, ConversationType.GROUP, "alice", 1), ["alice", "bob"])])
        writes.change_profile("bob", lambda there: replace(there, tags=("vip",)))
        writes.change_handling(conversation, lambda there: replace(there, state="closed", assignee="alice", changed_at=9))
    for name, (_, reads) in views.items():
        assert reads.conversation_page("", "", 9) == [conversation]
        assert [each for _, each in reads.active("", 10**9, 9)] == [conversation]
        assert [each for _, each in reads.active("~closed@alice", 10**9, 9)] == [conversation]
        assert reads.conversations_of("alice") == [conversation]
        assert reads.contact_page("", "", 9) == ["bob", "carol"]
        assert reads.contact_page("vip", "", 9) == ["bob"]
        assert f"{name}/{conversation}" not in scoped(other, "default").memberships([f"{name}/{conversation}"])
