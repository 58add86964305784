"""What was said of a message later is the same whoever asks, in whatever order it came in."""

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.content import Deletion, Edit, Location, Media, Modifier, Poll, Reaction, Text, Vote
from chat4all.model.messages import Message
from chat4all.model.modifiers import Current, Modification, Reacted, Voted, as_it_is_now, merged
from tests.contracts.modified import several

SAID = Message("m", "c", "ana", Text("hello"), 1, 5, seq=1)


def of(content: Modifier, seq: int, sender: str = "ana", provider_at: int = 0) -> Modification:
    return Modification("c", 1, seq, 1_000 + seq, content, sender, provider_at)


@given(several(), st.randoms(use_true_random=False), st.integers(0, 8))
def test_what_counts_does_not_depend_on_order_repeats_or_grouping(drawn: list[Modification], random: Random, cut: int) -> None:
    """Merging is commutative, associative and idempotent, and so is what readers are told."""
    shuffled = list(drawn)
    random.shuffle(shuffled)
    wanted = merged(drawn)
    assert merged(shuffled) == merged([*drawn, *shuffled]) == merged(wanted) == wanted
    assert merged([*merged(shuffled[:cut]), *merged(shuffled[cut:])]) == wanted
    assert as_it_is_now(SAID, shuffled) == as_it_is_now(SAID, wanted) == as_it_is_now(SAID, drawn)


@given(several(), several("deletion"))
def test_a_deletion_absorbs_all_else(drawn: list[Modification], deletions: list[Modification]) -> None:
    """Whatever its seq: no words and no reactions, also where an edit came after it."""
    now = as_it_is_now(SAID, [*drawn, *deletions])
    if deletions or any(each.kind == "deletion" for each in drawn):
        assert (now.payload, now.reactions, now.edited_at) == (None, (), 0)
        assert now.deleted_at
    else:
        assert now.payload is not None


@given(several("reaction", "vote"))
def test_of_a_senders_reactions_the_newest_counts(drawn: list[Modification]) -> None:
    """One of each kind, sender and speaker at most, in the order in which they were said; one that was taken back is none."""
    now = as_it_is_now(SAID, [each for each in drawn if each.target_seq == 1])
    mine: dict[tuple[str, str, str], Modification] = {}
    for each in sorted((each for each in drawn if each.target_seq == 1), key=lambda each: each.order):
        mine[each.kind, each.sender, each.speaker_id] = each
    newest = sorted(mine.values(), key=lambda each: each.order)
    standing = [each for each in newest if each.content not in (Reaction("m", ""), Vote("m"))]
    for shown, kind in ((now.reactions, "reaction"), (now.votes, "vote")):
        wanted = [(each.sender, each.said_at, each.speaker) for each in standing if each.kind == kind]
        assert [(each.sender, each.at, each.speaker) for each in shown] == wanted


def test_a_vote_stands_beside_reactions_and_a_changed_one_takes_its_place() -> None:
    """Those who share an address have a vote each; how a poll stands is one more, of who counted it."""
    asked = msgspec.structs.replace(SAID, payload=Poll("When?", ("Nine", "Ten")))
    ines, caio = ({"speaker_id": "6010", "speaker": "Ines"}, {"speaker_id": "6020", "speaker": "Caio"})
    told: list[tuple[int, Modifier, dict[str, str]]] = [
        (2, Vote("m", (1,)), ines), (3, Vote("m", (1,)), caio), (4, Vote("m", (2,)), ines), (5, Vote("m"), caio),
        (6, Reaction("m", "👍"), ines), (7, Vote("m", counts=(4, 1)), {}),
    ]  # fmt: skip
    said = [msgspec.structs.replace(of(content, seq, "group"), **who) for seq, content, who in told]
    now = as_it_is_now(asked, said)
    assert now.votes == (Voted(Vote("m", (2,)), "group", 1_004, "Ines"), Voted(Vote("m", counts=(4, 1)), "group", 1_007))
    assert [each.speaker for each in now.reactions] == ["Ines"]


def test_a_message_that_nothing_was_said_of_is_as_it_was() -> None:
    """Words, and no more."""
    assert as_it_is_now(SAID) == Current(Text("hello"))


def test_the_newest_edit_is_what_the_message_says() -> None:
    """By seq, and when it was edited last."""
    edits = [of(Edit(Text("second"), "m"), 9), of(Edit(Text("first"), "m"), 8)]
    assert as_it_is_now(SAID, edits) == Current(Text("second"), edited_at=1_009)


def test_webhooks_that_overtake_each_other_leave_the_newest_of_the_provider() -> None:
    """An edit that a provider dates earlier loses, although its record came later."""
    edits = [of(Edit(Text("second")), 8, provider_at=60), of(Edit(Text("first")), 9, provider_at=50)]
    assert as_it_is_now(SAID, edits) == Current(Text("second"), edited_at=60)


def test_reactions_stand_beside_each_other_and_beside_an_edit() -> None:
    """One of everybody, the latest of each."""
    said = [
        of(Reaction("m", "👍"), 5, "bob"),
        of(Reaction("m", "❤️"), 6, "eve"),
        of(Reaction("m", "🎉"), 7, "bob"),
        of(Edit(Text("hi"), "m"), 8),
    ]
    assert as_it_is_now(SAID, said) == Current(Text("hi"), (Reacted("❤️", "eve", 1_006), Reacted("🎉", "bob", 1_007)), 1_008)


@pytest.mark.parametrize(
    ("before", "new", "after"),
    [
        (Media("f", "old", "a.png"), Text("new"), Media("f", "new", "a.png")),
        (Media("f", "old", "a.png"), Media("g", "new", "b.png"), Media("g", "new", "b.png")),
        (Location(1.0, 2.0), Text("here"), Text("here")),
    ],
)
def test_words_for_a_file_are_its_caption(before: Media, new: Text | Media, after: Media) -> None:
    """The file stays; anything else is replaced."""
    message = msgspec.structs.replace(SAID, payload=before)
    assert as_it_is_now(message, [of(Edit(new, "m"), 9)]).payload == after


def test_a_deletion_says_when() -> None:
    """The newest of several, as everybody sees it."""
    assert as_it_is_now(SAID, [of(Deletion("m"), 7), of(Deletion("m"), 6)]) == Current(None, deleted_at=1_007)
