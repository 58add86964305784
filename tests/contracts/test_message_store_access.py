"""Who may come in, in every message store: sessions, revocations, codes, and what is counted for whom."""

import time
from concurrent.futures import ThreadPoolExecutor

from msgspec.structs import replace

from chat4all.model.conversations import User, UserKind, Verification
from chat4all.model.sessions import Holding, Revocation, Session
from chat4all.ports import MessageStore
from tests.contracts.stores import fresh, person


def later(seconds: float = 60) -> int:
    return int((time.time() + seconds) * 1000)


def session(user_id: str, session_id: str = "", turn: int = 0) -> Session:
    return Session(user_id, session_id or fresh("s"), 1, 2, later(), turn=turn)


def test_a_user_changes_by_compare_and_set(store: MessageStore, other: MessageStore) -> None:
    """Two writers' changes are both kept, from threads and from another process; nobody unknown is made."""
    who = person(fresh("u"))
    store.add_users([who])
    with ThreadPoolExecutor(4) as threads:
        for each in (store, other) * 5:
            threads.submit(each.change_user, who.user_id, lambda user: replace(user, valid_from=user.valid_from + 1))
    assert store.users([who.user_id])[who.user_id] == replace(who, valid_from=10)
    assert store.change_user(fresh("u"), lambda user: user) is None
    assert store.change_user("", lambda user: user) is None


def test_a_changed_user_comes_back_as_they_were_made(store: MessageStore) -> None:
    """Every field that access needs survives."""
    who = User(fresh("u"), UserKind.PERSON, 1, "Ana", "hash", (), 7, 8, "nobody")
    store.add_users([person(who.user_id)])
    assert store.change_user(who.user_id, lambda _user: who) == who
    assert store.users([who.user_id]) == {who.user_id: who}


def test_of_guesses_at_one_code_each_counts(store: MessageStore) -> None:
    """Of many who take a try from the same code as they saw it one succeeds."""
    seen = Verification(fresh("u"), "whatsapp", "+1", "hash", later(), 5)
    store.put_verification(seen)
    with ThreadPoolExecutor(8) as threads:
        wanted = replace(seen, tries_left=4)
        taken = list(threads.map(lambda _number: store.swap_verification(seen, wanted), range(8)))
    assert taken.count(True) == 1
    assert store.verification(seen.user_id, "whatsapp", "+1") == wanted


def test_a_code_that_nobody_keeps_cannot_be_swapped(store: MessageStore) -> None:
    """There is nothing to take a try from."""
    seen = Verification(fresh("u"), "whatsapp", "+1", "hash", later(), 5)
    assert not store.swap_verification(seen, replace(seen, tries_left=4))


def test_a_session_is_kept_as_it_was_first(store: MessageStore) -> None:
    """First writer wins; sessions of a user are listed by id, of nobody there are none."""
    user = fresh("u")
    first, second = session(user, "a"), session(user, "b", turn=3)
    assert store.add_session(first) == first
    assert store.add_session(replace(first, turn=9)) == first
    store.add_session(second)
    assert store.session(user, "b") == second
    assert store.sessions(user) == [first, second]
    assert store.session(user, "c") is None
    assert store.sessions(fresh("u")) == store.sessions("") == []


def test_a_session_turns_once(store: MessageStore, other: MessageStore) -> None:
    """Of many who renew at the same moment one makes the turn."""
    seen = store.add_session(session(fresh("u")))
    with ThreadPoolExecutor(8) as threads:
        turned = list(
            threads.map(
                lambda number: (store, other)[number % 2].swap_session(seen, replace(seen, turn=1, used_at=number)), range(8)
            )
        )
    assert turned.count(True) == 1
    kept = store.session(seen.user_id, seen.session_id)
    assert kept is not None
    assert kept.turn == 1
    assert not store.swap_session(seen, replace(seen, turn=2))


def test_dropped_sessions_are_gone(store: MessageStore) -> None:
    """Dropping what is not there is no error."""
    user = fresh("u")
    kept = store.add_session(session(user, "a"))
    store.add_session(session(user, "b"))
    store.drop_sessions(user, ["b", "never"])
    store.drop_sessions(user, [])
    assert store.sessions(user) == [kept]


def test_sessions_expire(store: MessageStore) -> None:
    """A session is forgotten after its time."""
    gone = Session(fresh("u"), "a", 1, 1, later(1.0))
    store.add_session(gone)
    time.sleep(2.5)
    store.expire(later(0))
    assert store.sessions(gone.user_id) == []


def test_each_revocation_raises_the_generation(store: MessageStore, other: MessageStore) -> None:
    """Numbers are given once, whoever revokes at the same moment; who reads on from a generation misses nothing."""
    begun = store.generation()
    names = [fresh("s") for _ in range(12)]
    with ThreadPoolExecutor(4) as threads:
        numbers = list(
            threads.map(lambda number: (store, other)[number % 2].revoke([Revocation(names[number])], 600), range(len(names)))
        )
    assert len(set(numbers)) == len(names)
    assert min(numbers) > begun
    assert other.generation() >= max(numbers)
    number, told = other.revocations(begun)
    assert number >= max(numbers)
    assert set(names) <= {each.session_id for each in told}
    assert [each for each in store.revocations(number)[1] if each.session_id in names] == []


def test_a_revocation_says_what_it_made_void(store: MessageStore) -> None:
    """Several in one, every field survives."""
    begun = store.generation()
    revoked = [Revocation(session_id=fresh("s")), Revocation(user_id=fresh("u"), before=8)]
    store.revoke(revoked, 600)
    assert [each for each in store.revocations(begun)[1] if each in revoked] == revoked


def test_revocations_are_forgotten_and_the_generation_stays(store: MessageStore) -> None:
    """The generation only grows, also when what raised it is gone."""
    begun = store.generation()
    gone = Revocation(fresh("s"))
    number = store.revoke([gone], 1)
    time.sleep(2.5)
    store.expire(later(0))
    reached, told = store.revocations(begun)
    assert reached >= number
    assert gone not in told


def test_holdings_count_until_their_time(store: MessageStore) -> None:
    """What is held is told by owner and kind; again is instead; what was let go or outlived its time is gone."""
    owner = fresh("u")
    kept = [Holding(owner, "upload", "a", 5, later()), Holding(owner, "upload", "b", 7)]
    store.hold([replace(kept[0], amount=1), Holding(owner, "upload", "c", 1, later(-1)), Holding(owner, "other", "a", 1)])
    store.hold(kept)
    assert store.holdings(owner, "upload") == kept
    store.let_go(owner, "upload", ["a", "never"])
    assert store.holdings(owner, "upload") == kept[1:]
    assert store.holdings(fresh("u"), "upload") == []


def test_a_request_has_one_first_writer_and_changes_by_compare_and_set(store: MessageStore) -> None:
    """Under its owner and key; what was forgotten may begin again."""
    owner = fresh("u")
    assert store.begin_request(owner, "k", "one", 60) == "one"
    assert store.begin_request(owner, "k", "two", 60) == "one"
    assert store.begin_request(fresh("u"), "k", "two", 60) == "two"
    assert not store.swap_request(owner, "k", "two", "three", 60)
    assert store.swap_request(owner, "k", "one", "three", 60)
    assert store.begin_request(owner, "k", "two", 60) == "three"
    assert store.swap_request(owner, "k", "three", None, 60)
    assert not store.swap_request(owner, "k", "three", None, 60)
    assert store.begin_request(owner, "k", "two", 60) == "two"
