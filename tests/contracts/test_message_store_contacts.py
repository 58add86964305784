"""Every message store lists contacts, and keeps what a team knows about them."""

from concurrent.futures import ThreadPoolExecutor
from random import Random

from msgspec.structs import replace

from chat4all.model.contacts import Profile
from chat4all.model.conversations import User, UserKind
from chat4all.ports import MessageStore
from tests.contracts.stores import fresh


def paged(store: MessageStore, tag: str, limit: int) -> list[str]:
    """All of a list, page by page."""
    found: list[str] = []
    while page := store.contact_page(tag, found[-1] if found else "", limit):
        found += page
    return found


def tagged(store: MessageStore, user_id: str, *tags: str) -> Profile:
    """Give a contact these tags."""
    return store.change_profile(user_id, lambda there: replace(there, tags=tags))


def test_of_whom_nothing_is_kept_the_profile_is_empty(store: MessageStore) -> None:
    """Also of somebody who does not exist."""
    name = fresh("c")
    assert store.profiles([name]) == {name: Profile(name)}
    assert store.profiles([]) == {}


def test_a_change_is_kept_and_counted(store: MessageStore) -> None:
    """Each is a version more; what is left as it is is none."""
    wanted = Profile(fresh("c"), 0, 7, "anna", ("a", "b"), "likes tea", {"plan": "pro", "age": 7, "vip": True}, "Europe/Paris")
    first = store.change_profile(wanted.user_id, lambda _: wanted)
    assert first == replace(wanted, version=1)
    assert store.change_profile(wanted.user_id, lambda there: there) == first
    assert store.change_profile(wanted.user_id, lambda there: replace(there, notes="")) == replace(first, version=2, notes="")
    assert store.profiles([wanted.user_id]) == {wanted.user_id: replace(first, version=2, notes="")}


def test_all_contacts_are_listed_and_nobody_else(store: MessageStore) -> None:
    """Each once, however long the pages are; people and clients are not among them."""
    kinds = [UserKind.CONTACT, UserKind.PERSON, UserKind.CONTACT, UserKind.CLIENT, UserKind.CONTACT]
    users = [User(fresh("u"), kind, 1) for kind in kinds * 3]
    store.add_users(users)
    mine = {each.user_id for each in users}
    for limit in (2, 7, 1000):
        listed = [each for each in paged(store, "", limit) if each in mine]
        assert sorted(listed) == sorted(each.user_id for each in users if each.kind is UserKind.CONTACT)


def test_a_tag_lists_those_that_have_it(store: MessageStore) -> None:
    """From the change on that gives it until the one that takes it, and again when it is given again."""
    tag, other = fresh("t"), fresh("t")
    one, two = sorted([fresh("c"), fresh("c")])
    tagged(store, two, tag, other)
    tagged(store, one, tag)
    assert paged(store, tag, 1) == [one, two]
    assert paged(store, other, 9) == [two]
    tagged(store, two, other)
    assert paged(store, tag, 9) == [one]
    tagged(store, two, tag)
    assert (paged(store, tag, 9), paged(store, other, 9)) == ([one, two], [])


def test_whoever_changes_at_once_loses_nothing(store: MessageStore) -> None:
    """Changes of many threads are all there, and a tag's list is what the profile says."""
    name, tags = fresh("c"), [fresh("t") for _ in range(4)]

    def again(wanted: tuple[str, ...]) -> None:
        store.change_profile(name, lambda there: replace(there, tags=wanted, changed_at=there.changed_at + 1))

    def change(number: int) -> None:
        random = Random(number)
        for _ in range(4):
            again(tuple(random.sample(tags, 2)))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(change, range(3)))
    kept = store.profiles([name])[name]
    assert (kept.version, kept.changed_at) == (12, 12)
    assert [each for each in tags if name in store.contact_page(each, "", 9)] == [each for each in tags if each in kept.tags]
