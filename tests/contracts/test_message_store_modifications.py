"""Every message store keeps what was said of messages later, and tells what counts of it."""

from functools import partial

from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from chat4all.model.content import Deletion, Edit, Media, Reaction, Text
from chat4all.model.messages import EPOCH_SIZE
from chat4all.model.modifiers import Modification, merged
from chat4all.ports import MessageStore
from tests.contracts.modified import several, within
from tests.contracts.stores import fresh

modestly = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_modifications_come_back_as_they_were_put(store: MessageStore, other: MessageStore) -> None:
    """Every field, of every kind, by target; messages without any are absent."""
    conversation, seq = fresh("c"), EPOCH_SIZE + 7
    of = partial(Modification, conversation)
    reaction = of(seq, seq + 9, 5, Reaction("m", "👩‍💻"), "ana", 44)
    edit = of(seq, seq + 10, 6, Edit(Media("f", "look", "a.png", "image/png", 2**31, "key"), "m"), "bob")
    deletion = of(3, seq + 11, 7, Deletion("n"), "bob")
    store.put_modifications([reaction, edit, deletion])
    asked = [(conversation, seq), (conversation, 3), (conversation, 4), (fresh("c"), 3), (conversation, seq)]
    assert other.modifications(asked) == {(conversation, seq): [edit, reaction], (conversation, 3): [deletion]}


def test_nothing_put_and_nothing_asked_is_nothing(store: MessageStore) -> None:
    """A page without messages asks for none."""
    store.put_modifications([])
    assert store.modifications([]) == {}


def test_putting_them_again_changes_nothing(store: MessageStore) -> None:
    """A stage that runs twice, and one that comes late, leave the newest."""
    conversation = fresh("c")
    old, new = (Modification(conversation, 1, seq, seq, Reaction("m", "👍" * seq), "ana") for seq in (4, 5))
    for batch in ([new], [old], [old, new, old], []):
        store.put_modifications(batch)
        assert store.modifications([(conversation, 1)]) == {(conversation, 1): [new]}


def test_a_reaction_that_is_taken_back_stays_known(store: MessageStore) -> None:
    """An older one that arrives later must not come back: the empty emoji is a value."""
    conversation = fresh("c")
    taken_back = Modification(conversation, 1, 9, 9, Reaction("m", ""), "ana")
    store.put_modifications([taken_back])
    store.put_modifications([replace(taken_back, seq=8, content=Reaction("m", "👍"))])
    assert store.modifications([(conversation, 1)]) == {(conversation, 1): [taken_back]}


@modestly
@given(several(), several())
def test_what_counts_does_not_depend_on_the_order_of_writes(
    store: MessageStore, drawn: list[Modification], more: list[Modification]
) -> None:
    """In any order and any grouping: what the pure rule says of all of them."""
    conversation = fresh("c")
    # One record says one thing.
    all_of_them = {each.seq: each for each in within(conversation, [*drawn, *more])}
    said = list(all_of_them.values())
    store.put_modifications(said[: len(drawn)])
    for each in reversed(said):
        store.put_modifications([each])
    wanted: dict[tuple[str, int], list[Modification]] = {}
    for each in merged(said):
        wanted.setdefault(each.target, []).append(each)
    assert store.modifications([(conversation, seq) for seq in (1, 2, 3)]) == wanted


def test_a_page_of_messages_is_asked_for_at_once(store: MessageStore) -> None:
    """More targets than fit in one request, in two buckets, each with its own."""
    conversation = fresh("c")
    seqs = [*range(1, 151), *range(2**20, 2**20 + 60)]
    said = [Modification(conversation, seq, seq + 1, seq, Reaction("m", "👍"), "ana") for seq in seqs]
    said += [Modification(conversation, seq, seq + 1, seq, Edit(Text("x"), "m"), "ana") for seq in seqs[::2]]
    store.put_modifications(said)
    found = store.modifications([(conversation, seq) for seq in seqs])
    assert [len(found[conversation, seq]) for seq in seqs] == [2 if place % 2 == 0 else 1 for place, _ in enumerate(seqs)]
