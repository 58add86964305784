"""Every search index finds what is in it, and nothing else, and knows how far it was fed."""

from collections.abc import Iterable, Sequence
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.model.search_terms import people_terms, terms
from chat4all.ports import Document, Feeding, PersonFound, Search, SearchIndex
from chat4all.settings import Settings
from tests.contracts.searches import opened

AT = 1_790_000_000_000
ONE, TWO, THREE = (str(UUID(int=number, version=4)) for number in (1, 2, 3))
STATE = Feeding("topic", {0: 1})
modestly = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def feed(index: SearchIndex, *documents: Document, people: Sequence[PersonFound] = (), state: Feeding = STATE) -> None:
    """Keep these, by whoever."""
    index.begin("test")
    if not index.feeding().topic:
        assert index.empty("test", state)
    assert index.feed("test", state, documents, people)


def said(text: str | None, seq: int = 1, conversation: str = ONE, at: int = 0, **more: object) -> Document:
    return replace(Document(conversation, seq, AT + (at or seq), text, "text"), **more)


def seqs(index: SearchIndex, asked: str, limit: int = 99, **how: object) -> list[int]:
    """Where the index finds this."""
    return [each.seq for each in index.find(replace(Search(terms(asked)), **how), limit, 5).found]


ALIKE = [
    ("Informações sobre o pedido", "informacao pedidos"),
    ("informacoes", "informação"),
    ("Olá CORAÇÃO", "ola coracao"),
    ("e\u0301tude", "étude"),
    ("étude", "e\u0301tude"),
    ("she was running home", "run"),
    ("run", "running"),
    ("entrega atrasada", "entregas"),
    ("os canais fiscais", "canal fiscal"),
    ("Straße", "strasse"),
    ("我们在这里", "我们"),
    ("boleto vencido", "bol"),
    ("pedido 48121", "4812"),
    ('say "hello"', "hello"),
    ("x" * 80, "x" * 60),
]


@pytest.mark.parametrize(("text", "asked"), ALIKE)
def test_words_are_found_as_people_write_them(index: SearchIndex, text: str, asked: str) -> None:
    """Without case, accents and endings, and by the beginning of the last word."""
    feed(index, said(text), said("zzz", 2))
    assert seqs(index, asked) == [1]


UNLIKE = [("boleto vencido", "bol vencido"), ("我们在这里", "们我"), ("a cat", "dog"), ("one", "one two"), ("c0ffee", ONE)]


@pytest.mark.parametrize(("text", "asked"), UNLIKE)
def test_what_does_not_have_all_words_is_not_found(index: SearchIndex, text: str, asked: str) -> None:
    """A word before the last is whole; labels of the index are no words."""
    feed(index, said(text))
    assert seqs(index, asked) == []


@pytest.mark.parametrize(
    "asked", ['a" OR "b', "words:x", "x NEAR y", "(", "a*b", "-x", "x AND NOT y", "^x", "'; DROP TABLE found"]
)
def test_operators_are_words(index: SearchIndex, asked: str) -> None:
    """What somebody types reaches the index as words only: nothing fails, and nothing else is found."""
    feed(index, said("something else"))
    try:
        wanted = terms(asked)
    except ValueError:
        return
    assert index.find(Search(wanted), 9, 5).found == []


def test_filters_hold_together(index: SearchIndex) -> None:
    """By conversation, time, type, and whether notes are among them."""
    feed(
        index,
        said("hello", 1),
        said("hello", 2, TWO),
        said("hello", 3, type="media"),
        said("hello", 4, is_internal=True),
    )
    assert seqs(index, "hello") == [3, 2, 1]
    assert seqs(index, "hello", with_internal=True) == [4, 3, 2, 1]
    assert seqs(index, "hello", conversations=[ONE]) == [3, 1]
    assert seqs(index, "hello", conversations=[]) == []
    assert seqs(index, "hello", types=["media", "poll"]) == [3]
    assert seqs(index, "hello", since=AT + 2, until=AT + 3) == [2]
    assert seqs(index, "hello", since=AT + 2, conversations=[ONE]) == [3]


def test_many_conversations_are_compared_too(index: SearchIndex) -> None:
    """More than fit into a question."""
    feed(index, said("hello", 1), said("hello", 2, TWO))
    assert seqs(index, "hello", conversations=[TWO, *(str(uuid4()) for _ in range(1_000))]) == [2]


def test_pages_follow_each_other(index: SearchIndex) -> None:
    """Newest first, each once, also where many are of one millisecond."""
    feed(index, *(said("hello", seq, at=seq // 10 + 1) for seq in range(1, 41)))
    before, found = 0, []
    while page := index.find(Search(terms("hello"), before=before), 7, 5).found:
        found += [each.seq for each in page]
        before = page[-1].cursor
    assert sorted(found) == list(range(1, 41))
    assert [each // 10 for each in found] == sorted((each // 10 for each in found), reverse=True)


def test_what_was_said_of_it_since_counts(index: SearchIndex) -> None:
    """New words in place of the old, none after a deletion; the message told again as new brings nothing back."""
    new = said("old words", is_new=True)
    feed(index, new)
    feed(index, said("new things"))
    feed(index, new)
    assert (seqs(index, "words"), seqs(index, "things"), index.count()) == ([], [1], 1)
    feed(index, said(None))
    feed(index, new)
    assert (seqs(index, "words"), seqs(index, "things"), index.count()) == ([], [], 0)


def test_a_deletion_that_is_heard_first_counts(index: SearchIndex) -> None:
    """The message itself comes later, told again by whoever was behind."""
    feed(index, said(None))
    feed(index, said("secret", is_new=True))
    assert seqs(index, "secret") == []


STEPS = st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["say", "edit", "delete", "again"])), max_size=25)


@modestly
@given(STEPS)
def test_any_course_ends_as_the_messages_are(index: SearchIndex, steps: list[tuple[int, str]]) -> None:
    """However often, and in whatever order, new messages are told again: found is what is there, and by its last words only."""
    talk, now, version = str(uuid4()), dict[int, str | None](), 0
    for seq, what in steps:
        version += 1
        if what in ("say", "again"):
            now.setdefault(seq, f"first {seq}")
            feed(index, said(f"first {seq}", seq, talk, is_new=True))
        elif what == "edit" and now.get(seq):
            now[seq] = f"version {version}"
            feed(index, said(now[seq], seq, talk))
        elif what == "delete" and seq in now:
            now[seq] = None
            feed(index, said(None, seq, talk))
    for asked in ["first", "version", *(f"version {each}" for each in range(version + 1))]:
        wanted = terms(f"{asked} ")
        found = [each.seq for each in index.find(Search(wanted, [talk]), 99, 5).found]
        assert found == [each for each in sorted(now, reverse=True) if _has(now[each], asked.split())], asked


def _has(text: str | None, words: Iterable[str]) -> bool:
    return text is not None and set(words) <= set(text.split())


def test_it_knows_how_far_it_was_fed(index: SearchIndex, index_settings: Settings) -> None:
    """With what it was fed, in one transaction; another process reads the same."""
    assert index.begin("one") == Feeding()
    assert not index.feed("one", STATE)
    assert index.empty("one", Feeding("topic", {0: 5, 1: 7}, "after this"))
    other = opened(index_settings)
    try:
        assert other.feeding() == Feeding("topic", {0: 5, 1: 7}, "after this")
        assert other.begin("two") == Feeding("topic", {0: 5, 1: 7}, "after this")
        assert not index.feed("one", STATE, [said("hello")])
        assert not index.empty("one", STATE)
        assert seqs(other, "hello") == []
        assert other.feed("two", STATE, [said("hello")])
        assert (seqs(index, "hello"), index.feeding()) == ([1], STATE)
    finally:
        other.close()


def test_it_can_be_wanted_anew(index: SearchIndex) -> None:
    """Whoever feeds it hears of that, and empties it first."""
    feed(index, said("hello"), people=[PersonFound("ana", "Ana")])
    index.want_anew()
    assert index.feeding().topic == ""
    assert not index.feed("test", STATE, [said("more", 2)])
    assert seqs(index, "hello") == [1]
    assert index.empty("test", STATE)
    assert (seqs(index, "hello"), index.count(), index.find_people(terms("ana"), 0, 9)) == ([], 0, [])


def test_migrating_again_keeps_what_is_there(index: SearchIndex) -> None:
    """Every process does it as it starts."""
    feed(index, said("hello"))
    index.migrate()
    assert (seqs(index, "hello"), index.feeding()) == ([1], STATE)


def test_old_messages_are_forgotten(index: SearchIndex) -> None:
    """Those accepted before a time, and no others."""
    feed(index, *(said("hello", seq) for seq in (1, 2, 3)))
    assert index.forget(AT + 3) == 2
    assert (seqs(index, "hello"), index.count(), index.forget(AT + 3)) == ([3], 1, 0)


def test_words_that_are_gone_leave_the_files(index: SearchIndex, index_settings: Settings) -> None:
    """After it was tidied nobody who reads the disk finds them."""
    feed(index, *(said(f"common word{seq}", seq) for seq in range(50)), said("hemorrhoids", 77))
    feed(index, said(None, 77))
    index.tidy()
    assert seqs(index, "common", limit=99) != []
    index.close()
    kept = b"".join(path.read_bytes() for path in index_settings.data.rglob("*") if path.is_file())
    assert b"common" in kept
    assert b"hemorrhoid" not in kept


def test_people_who_are_gone_leave_the_files(index: SearchIndex, index_settings: Settings) -> None:
    """Their names and addresses too, after it was tidied; whoever else there is stays."""
    gone = PersonFound("c-1", "Hildegard", ("+5541987650001",))
    feed(index, people=[gone, *(PersonFound(f"p{number}", f"Common {number}") for number in range(50))])
    assert index.find_people(people_terms("hildegard"), 0, 9) != []
    feed(index, people=[PersonFound("c-1")])
    index.tidy()
    assert index.find_people(people_terms("hildegard"), 0, 9) == []
    index.close()
    kept = b"".join(path.read_bytes() for path in index_settings.data.rglob("*") if path.is_file()).lower()
    assert b"common" in kept
    assert [each for each in (b"hildegard", b"987650001") if each in kept] == []


def test_it_ends_in_time(index: SearchIndex) -> None:
    """What would take longer answers with what it has, and says so."""
    feed(index, *(said("hello", seq, type="text") for seq in range(1, 3_000)))
    hits = index.find(Search(terms("hello"), [str(uuid4()) for _ in range(1_000)]), 99, -1)
    assert (hits.found, hits.is_cut) == ([], True)


PEOPLE = [
    PersonFound("ana", "Ana Conceição\nana", ("+5511999990000",)),
    PersonFound("bob", "Bob Stone\nbob", ("b.stone@example.com",)),
]
CALLED = [
    ("conceicao", ["ana"]),
    ("Conc", ["ana"]),
    ("an con", ["ana"]),
    ("+55 11 99999-0000", ["ana"]),
    ("99999-0000", ["ana"]),
    ("0000", ["ana"]),
    ("stone@example.com", ["bob"]),
    ("bob ana", []),
    ("tone", []),
]


@pytest.mark.parametrize(("asked", "wanted"), CALLED)
def test_people_are_found_by_name_and_address(index: SearchIndex, asked: str, wanted: list[str]) -> None:
    """Each word may be only begun; a number by its last digits too."""
    feed(index, people=PEOPLE)
    assert [user_id for _, user_id in index.find_people(people_terms(asked), 0, 9)] == wanted


def test_people_are_found_as_they_are_called_now(index: SearchIndex) -> None:
    """Kept once, page by page."""
    feed(index, people=PEOPLE)
    feed(index, people=[PersonFound("ana", "Anita"), *PEOPLE[1:]])
    assert index.find_people(terms("conceicao"), 0, 9) == []
    feed(index, people=[PersonFound("bob"), PersonFound("nobody")])
    assert index.find_people(terms("bob"), 0, 9) == []
    feed(index, people=PEOPLE[1:])
    assert [user_id for _, user_id in index.find_people(terms("bob"), 0, 9)] == ["bob"]
    feed(index, people=[PersonFound(f"an{number}", f"An {number}") for number in range(3)])
    first = index.find_people(terms("an"), 0, 2)
    rest = index.find_people(terms("an"), first[-1][0], 9)
    assert [user_id for _, user_id in [*first, *rest]] == [
        "ana",
        "an0",
        "an1",
        "an2",
    ]
