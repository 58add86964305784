"""Messages that point at others: whom they go to, after what, and as what, on a channel that can and on one that cannot."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chat4all.model.clock import now_ms
from chat4all.model.content import Choices, Content, Deletion, Edit, Media, Option, Poll, Reaction, Text, Vote
from chat4all.model.conversations import Conversation, ConversationType
from chat4all.model.deliveries import State, state
from chat4all.model.failures import Permanent, Temporary
from chat4all.model.messages import Message, Origin
from chat4all.model.records import partition_of
from chat4all.ports import Limits, Outgoing
from chat4all.services.dead_letters import scan
from tasks.lanes.writer import Writer
from tests.tasks.test_message_parts import Bench, Scripted
from tests.tasks.world import message, new_id, threads, whatsapp, world

TALK = new_id("conversation", 1)
ANA, BRUNO = whatsapp(1), whatsapp(2)
CAN = frozenset({"reaction", "edit", "deletion"})


class Pointing(Scripted):
    """A channel that changes messages, if `can`. What it was asked to change stands in `changed`."""

    def __init__(self, can: bool) -> None:
        super().__init__()
        contents = CAN if can else frozenset()
        self.limits = Limits(4096, 1000, 0, 1, True, frozenset({"sent"}), contents=contents, quotes=can)
        self.changed: list[tuple[Content, tuple[str, ...]]] = []

    async def send_content(self, message: Outgoing, content: Content) -> str:
        self.changed.append((content, message.targets))
        return await self.send_text(message)


@pytest.fixture(params=[True, False], ids=["can", "cannot"])
async def bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    with world(tmp_path, partitions=1, backoff_first_s=0.05, backoff_most_s=0.1) as road:
        async with threads() as executor:
            writer = Writer(road.parts, executor)
            writing = asyncio.create_task(writer.run())
            road.know(ANA, BRUNO)
            pair = (Conversation(TALK, ConversationType.GROUP, "olga", 1), ["olga", "alice", ANA.user_id, BRUNO.user_id])
            road.store.add_conversations([pair])
            yield Bench(road, writer, Pointing(request.param), executor)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


def first(**more: Any) -> Message:
    """What all others point at: Alice's words to Ana and Bruno."""
    return message(TALK, "first", "meet me there", to=[ANA, BRUNO], **more)


def from_ana() -> Message:
    """The same from Ana, on WhatsApp, to Bruno."""
    origin = Origin("whatsapp", "1", ANA.address, "wamid.ANA", 1)
    return replace(message(TALK, "first", "meet me there", to=[BRUNO], sender=ANA.user_id), origin=origin)


def pointing(content: Content, number: object = 2, **more: Any) -> Message:
    """A message with this content."""
    return replace(message(TALK, number, f"{content}", **more), payload=content)


def target() -> str:
    return first().message_id


async def carried(bench: Bench, *said: Message) -> list[tuple[str, str]]:
    """Bring them all the way, one after the other; address and text of each send, in order."""
    for each in said:
        bench.road.say(each)
        bench.road.run()
        await bench.work()
    return [(each.address, each.text) for each in bench.channel.arrived]


def can(bench: Bench) -> bool:
    return bench.channel.limits.quotes


async def test_a_reaction_goes_to_whom_its_target_went_and_to_where_it_came_from(bench: Bench) -> None:
    """Bruno reacts to what Ana wrote: it goes to Ana, under the id that she knows her words by, and not back to Bruno."""
    sent = await carried(bench, from_ana(), pointing(Reaction(target(), "👍"), sender=BRUNO.user_id, sender_name="Bruno"))
    assert [address for address, _ in sent] == [BRUNO.address, ANA.address]
    changed = bench.channel.changed  # type: ignore[attr-defined]
    assert changed == ([(Reaction(target(), "👍"), ("wamid.ANA",))] if can(bench) else [])
    if not can(bench):
        assert sent[1][1] == "Bruno: 👍 to “meet me there”"


@pytest.mark.parametrize(("emoji", "as_it_is"), [("❤️", True), ("❤", True), ("👍", False), ("", True)])
async def test_a_reaction_that_a_channel_does_not_have_is_told_in_words(bench: Bench, emoji: str, as_it_is: bool) -> None:
    """Some have the heart alone: every other emoji is said, and not turned into a heart."""
    bench.channel.limits = replace(bench.channel.limits, reactions=frozenset({"❤"}))
    sent = await carried(bench, from_ana(), pointing(Reaction(target(), emoji), sender=BRUNO.user_id))
    changed = bench.channel.changed  # type: ignore[attr-defined]
    assert len(changed) == (1 if as_it_is and can(bench) else 0)
    if not changed:
        assert sent[1][1] == f"{emoji or '[took a reaction back]'} to “meet me there”"


async def test_where_a_group_cannot_show_it_it_is_told_a_reaction_in_words(bench: Bench) -> None:
    """Who reacts, and to which words; the others on the channel see the reaction itself."""
    bench.channel.limits = replace(bench.channel.limits, contents_at={ANA.address: frozenset()})
    sent = await carried(bench, first(), pointing(Reaction(target(), "👍"), sender="olga", sender_name="Olga"))
    said = dict(sent[2:])
    assert said[ANA.address] == "Olga: 👍 to “meet me there”"
    assert len(bench.channel.changed) == (1 if can(bench) else 0)  # type: ignore[attr-defined]


async def test_what_an_address_cannot_show_is_cut_where_it_was_not_split(bench: Bench) -> None:
    """An older release froze it whole: it goes in words, as many as there is room for."""
    asked = replace(message(TALK, 1, to=[ANA]), payload=Choices("q" * 4090, (Option("y", "Yes"), Option("n", "No"))))
    [(_, words)] = await carried(bench, asked)
    assert words.startswith("qqq")
    assert words.endswith("…")
    assert len(words) <= 4096


@pytest.mark.parametrize("content", [Edit(Text("meet me here"), target()), Deletion(target())])
async def test_a_change_names_what_each_address_knows_the_target_by(bench: Bench, content: Content) -> None:
    """To each of them with the id that the provider gave its own delivery; elsewhere in words, never those taken back."""
    sent = await carried(bench, first(), pointing(content))
    assert sorted(address for address, _ in sent[2:]) == [ANA.address, BRUNO.address]
    ids = {row.address: (row.facts.provider_id,) for row in bench.road.rows() if row.message_id == target()}
    changed = bench.channel.changed  # type: ignore[attr-defined]
    assert {given for _, given in changed} == (set(ids.values()) if can(bench) else set())
    assert all(each == content for each, _ in changed)
    if not can(bench):
        assert {text for _, text in sent[2:]} == {"✎ meet me here" if isinstance(content, Edit) else "[took a message back]"}


async def test_a_change_is_never_before_its_target_and_of_what_never_arrived_nobody_hears(bench: Bench) -> None:
    """Ana's provider refuses the message for good: the reaction to it ends with the reason, Bruno gets both in order."""

    send = bench.channel.send_text

    async def refusing(given: Outgoing) -> str:
        if given.address == ANA.address:
            raise Permanent("blocked")
        return await send(given)

    bench.channel.send_text = refusing  # type: ignore[method-assign, assignment]
    sent = await carried(bench, first(), pointing(Reaction(target(), "🎉"), sender="olga"))
    assert [address for address, _ in sent] == [BRUNO.address, BRUNO.address]
    of_ana = [row for row in bench.road.rows() if row.address == ANA.address]
    assert [row.facts.refused_reason for row in of_ana] == ["blocked", "target_not_sent"]
    assert all(state(row.facts) is State.FAILED for row in of_ana)


REFUSED: dict[str, tuple[Content, str, str]] = {
    "of what is not there": (Reaction(new_id("nothing"), "👍"), "alice", "unknown_target"),
    "an edit of another's words": (Edit(Text("never said"), target()), "olga", "not_allowed"),
    "another's words taken back": (Deletion(target()), ANA.user_id, "not_allowed"),
    "by the owner": (Deletion(target()), "olga", ""),
    "words for what is no more": (Edit(Text("again"), new_id("message", TALK, "gone")), "alice", "unknown_target"),
    "of a change": (Reaction(new_id("message", TALK, 2), "👍"), "alice", "unknown_target"),
}


@pytest.mark.parametrize("why", REFUSED)
async def test_who_may_change_what(bench: Bench, why: str) -> None:
    """Edits are the sender's, deletions theirs and the owner's. All else is rejected, and goes nowhere."""
    content, sender, reason = REFUSED[why]
    gone = message(TALK, "gone", "never mind")
    for each in (gone, pointing(Deletion(gone.message_id), "gone too")):
        bench.road.say(each)
        bench.road.run()
    sent = await carried(bench, first(), pointing(Reaction(target(), "👀")), pointing(content, 3, sender=sender))
    told = [each.reason for each in bench.road.events("rejected")]
    assert told == ([reason] if reason else [])
    assert len(sent) == (4 if reason else 6)
    stored = [each.message_id for each in bench.road.store.page(TALK, None, None, 20)]
    assert (new_id("message", TALK, 3) in stored) is not bool(reason)


VOTES: dict[str, tuple[Vote, dict[str, Any], str, list[str]]] = {
    "for one": (Vote(target(), (2,)), {}, "", ["Ten"]),
    "for several": (Vote(target(), (2, 1)), {"multiple": True}, "", ["Ten", "Nine"]),
    "taken back": (Vote(target()), {}, "", []),
    "for one too many": (Vote(target(), (1, 2)), {}, "no_such_option", []),
    "for what is not there": (Vote(target(), (3,)), {}, "no_such_option", []),
}


@pytest.mark.parametrize("why", VOTES)
async def test_a_vote_says_what_it_is_for_and_goes_to_whom_the_poll_went(bench: Bench, why: str) -> None:
    """In words, for no provider lets an account vote; one that the poll does not have is rejected."""
    vote, more, reason, titles = VOTES[why]
    poll = replace(first(), payload=Poll("When?", ("Nine", "Ten"), **more))
    sent = await carried(bench, poll, pointing(vote, sender="alice", sender_name="Alice"))
    assert [each.reason for each in bench.road.events("rejected")] == ([reason] if reason else [])
    said = "[took a vote back]" if not vote.options else f"🗳 {', '.join(titles)}"
    told = [] if reason else [f"Alice: {said} to “When?”"] * 2
    assert [words for _, words in sent[2:]] == told
    kept = [each for some in bench.road.store.modifications([(TALK, 1)]).values() for each in some]
    assert [each.content for each in kept] == ([] if reason else [replace(vote, titles=tuple(titles))])


async def test_a_vote_is_for_a_poll(bench: Bench) -> None:
    """Words cannot be voted on."""
    await carried(bench, first(), pointing(Vote(target(), (1,))))
    assert [each.reason for each in bench.road.events("rejected")] == ["no_such_option"]


async def test_each_of_a_group_votes_and_counts_are_told_to_nobody(bench: Bench) -> None:
    """One member's vote leaves the others' alone. How many chose what is kept at the poll, and written to no one."""
    origin = Origin("whatsapp", "1", ANA.address, "v1", 1, speaker_id="6010")
    ines = replace(pointing(Vote(target(), (2,)), sender=ANA.user_id, sender_name="Ines"), origin=origin)
    caio = replace(pointing(Vote(target(), (1,)), 3, sender=ANA.user_id, sender_name="Caio"),
                   origin=replace(origin, provider_id="v2", speaker_id="6020"))  # fmt: skip
    counted = replace(pointing(Vote(target(), counts=(1, 1)), 4, sender=ANA.user_id),
                      origin=replace(origin, provider_id="v3", speaker_id=""))  # fmt: skip
    sent = await carried(bench, replace(first(), payload=Poll("When?", ("Nine", "Ten"))), ines, caio, counted)
    assert [words for _, words in sent[2:]] == ["Ines: 🗳 Ten to “When?”", "Caio: 🗳 Nine to “When?”"]
    [kept] = bench.road.store.modifications([(TALK, 1)]).values()
    assert sorted((each.speaker, each.content) for each in kept) == [
        ("", Vote(target(), titles=("Nine", "Ten"), counts=(1, 1))),
        ("Caio", Vote(target(), (1,), ("Nine",))),
        ("Ines", Vote(target(), (2,), ("Ten",))),
    ]


async def test_a_reply_quotes(bench: Bench) -> None:
    """Under the provider's id where the channel quotes; else its first words stand before it, if they fit."""
    reply = replace(message(TALK, 2, "on my way", to=[ANA, BRUNO]), reply_to=target())
    tight = replace(message(TALK, 3, "x" * 4090, to=[ANA]), reply_to=target())
    sent = await carried(bench, first(), reply, tight)
    words = "on my way" if can(bench) else "> meet me there\non my way"
    assert {(ANA.address, words), (BRUNO.address, words), (ANA.address, "x" * 4090)} <= set(sent)
    ids = [row.facts.provider_id for row in bench.road.rows() if row.message_id == target()]
    quoted = [each.reply_to for each in bench.channel.arrived if each.text == words]
    assert sorted(quoted) == (sorted(ids) if can(bench) else ["", ""])


async def test_an_edit_keeps_the_speakers_name(bench: Bench) -> None:
    """In groups the words that it replaces begin with it."""
    said = first(sender_name="Alice"), pointing(Edit(Text("meet me here"), target()), sender_name="Alice")
    sent = await carried(bench, *said)
    changed = bench.channel.changed  # type: ignore[attr-defined]
    words = {content.content.text for content, _ in changed} or {text for _, text in sent[2:]}
    assert words == {"Alice: meet me here" if can(bench) else "Alice: ✎ meet me here"}


@pytest.mark.parametrize("name", ["", "Alice"])
@pytest.mark.parametrize("beyond", [0, 1])
async def test_new_words_of_a_file_that_do_not_fit_beside_it_are_told(bench: Bench, name: str, beyond: int) -> None:
    """Beside a file there is room for fewer words than in a text; the speaker's name counts."""
    file = Media("f", "meet me there", "map.png", "image/png", 5, "key")
    spoken = len("Alice: ") if name else 0
    words = "x" * (bench.channel.limits.caption_length - spoken + beyond)
    said = replace(first(), payload=file), pointing(Edit(Text(words), target()), sender_name=name)
    sent = await carried(bench, *said)
    changed = [content.content.text for content, _ in bench.channel.changed]  # type: ignore[attr-defined]
    prefix = f"{name}: " if name else ""
    if can(bench) and not beyond:
        assert changed == [prefix + words] * 2
    else:
        assert (changed, [text for _, text in sent[2:]]) == ([], [f"{prefix}✎ {words}"] * 2)


async def test_an_edit_that_the_provider_cannot_make_there_is_told_in_words(bench: Bench) -> None:
    """The words of a file that went as a link are no caption: the link stays, and the new words come."""

    async def refusing(given: Outgoing, content: Content) -> str:
        assert isinstance(content, Edit)
        assert isinstance(content.content, Media)
        assert content.content.text == "Alice: meet me here"
        raise Permanent("not_supported")

    bench.channel.send_content = refusing  # type: ignore[method-assign, assignment]
    file = Media("f", "meet me there", "map.png", "image/png", 5, "key")
    said = replace(first(), payload=file), pointing(Edit(Text("meet me here"), target()), sender_name="Alice")
    sent = await carried(bench, *said)
    assert [text for _, text in sent[2:]] == ["Alice: ✎ meet me here"] * 2


async def test_a_rerun_makes_the_same_rows(bench: Bench) -> None:
    """What follows from both records is the same whenever it is asked, and readers find whom it went to."""
    bench.road.say(first(), pointing(Reaction(target(), "👍"), sender="olga"))
    bench.road.run()
    before = bench.road.rows()
    bench.road.run(again=True)
    assert bench.road.rows() == before
    [_, kept] = bench.road.store.page(TALK, None, None, 10)
    assert [each.address for each in kept.recipients] == [ANA.address, BRUNO.address]


async def test_words_that_are_too_long_for_one_send_are_told_in_several(bench: Bench) -> None:
    """An edit of what the channel could show: nothing is cut off, in order, whatever it can change."""
    edit = replace(
        pointing(Edit(Text("one two three"), target())), renditions=(("✎ one", "two", "three"),), by_channel={"whatsapp": 1}
    )
    sent = await carried(bench, first(), edit)
    assert [text for address, text in sent if address == ANA.address] == ["meet me there", "✎ one", "two", "three"]
    assert bench.channel.changed == []  # type: ignore[attr-defined]


async def test_what_is_taken_back_while_it_waits_is_never_sent(bench: Bench) -> None:
    """Nobody reads the words, nobody is told that something was taken back, and nothing of it is a trouble to look into."""
    bench.road.say(first(), pointing(Deletion(target())))
    sent = await carried(bench, message(TALK, 3, "hello", to=[ANA]))
    assert [text for _, text in sent] == ["hello"]
    reasons = [row.facts.refused_reason for row in bench.road.rows() if row.address == ANA.address]
    assert reasons == ["taken_back", "nothing_to_do", ""]
    assert list(scan(bench.road.store, 0, now_ms() + 1)) == []


async def test_what_is_edited_while_it_waits_goes_out_as_it_is_now(bench: Bench) -> None:
    """The new words as the message itself, once, where they fit in its place; a file goes, and then its new words."""
    bench.road.say(first(sender_name="Alice"), pointing(Edit(Text("meet me here"), target()), sender_name="Alice"))
    bench.road.run()
    await bench.work()
    sent = [(each.address, each.text) for each in bench.channel.arrived]
    assert sorted(sent) == [(ANA.address, "Alice: meet me here"), (BRUNO.address, "Alice: meet me here")]
    reasons = [row.facts.refused_reason for row in bench.road.rows() if row.address == ANA.address]
    assert reasons == ["replaced", ""]


def edit(words: str, number: object) -> Message:
    return pointing(Edit(Text(words), target()), number)


async def test_what_is_edited_and_then_taken_back_while_it_waits_is_never_sent(bench: Bench) -> None:
    """Neither the old words nor the new ones, nor that there were any; there is nothing to look into."""
    bench.road.say(first(), edit("meet me here", 2), edit("meet me elsewhere", 3), pointing(Deletion(target()), 4))
    sent = await carried(bench, message(TALK, 5, "hello", to=[ANA]))
    assert [text for _, text in sent] == ["hello"]
    reasons = [row.facts.refused_reason for row in bench.road.rows() if row.address == ANA.address]
    assert reasons == ["replaced", "nothing_to_do", "nothing_to_do", "nothing_to_do", ""]
    assert list(scan(bench.road.store, 0, now_ms() + 1)) == []


async def test_of_several_edits_while_it_waits_the_newest_goes_out(bench: Bench) -> None:
    """Once, as the message itself."""
    bench.road.say(first(), edit("meet me here", 2), edit("meet me elsewhere", 3))
    bench.road.run()
    await bench.work()
    assert [each.text for each in bench.channel.arrived] == ["meet me elsewhere"] * 2
    reasons = [row.facts.refused_reason for row in bench.road.rows() if row.address == ANA.address]
    assert reasons == ["replaced", "replaced", ""]


@pytest.mark.parametrize("content", [Deletion(target()), Reaction(target(), "👍")])
async def test_what_went_out_as_its_edit_is_taken_back_there(bench: Bench, content: Content) -> None:
    """The person has the new words only: what follows is about those."""
    bench.road.say(first(), edit("meet me here", 2))
    bench.road.run()
    await bench.work()
    sent = await carried(bench, pointing(content, 3, sender="alice" if isinstance(content, Deletion) else "olga"))
    assert [text for _, text in sent[:2]] == ["meet me here"] * 2
    ids = {(row.facts.provider_id,) for row in bench.road.rows() if row.message_id == new_id("message", TALK, 2)}
    changed = bench.channel.changed  # type: ignore[attr-defined]
    assert {given for _, given in changed} == (ids if can(bench) else set())
    assert len(sent) == 4


@pytest.mark.parametrize("by", ["olga", "alice"])
async def test_what_was_said_of_words_before_they_were_replaced_comes_after_the_new_ones(bench: Bench, by: str) -> None:
    """All three wait: the edit goes out first and once, in its message's place; then the reaction, to what is there."""
    bench.road.say(first(), pointing(Reaction(target(), "👍"), 2, sender=by), edit("meet me here", 3))
    sent = await carried(bench, message(TALK, 4, "hello", to=[ANA, BRUNO]))
    to_ana = [text for address, text in sent if address == ANA.address]
    assert (to_ana[0], to_ana[2], len(to_ana)) == ("meet me here", "hello", 3)
    assert "meet me there" not in str(sent)
    rows = {row.key.seq: row for row in bench.road.rows() if row.address == ANA.address}
    assert [row.facts.refused_reason for _, row in sorted(rows.items())] == ["replaced", "", "", ""]
    assert [row.facts.attempts for _, row in sorted(rows.items())][1:] == [1, 1, 1]
    changed = bench.channel.changed  # type: ignore[attr-defined]
    edits = {(row.facts.provider_id,) for row in bench.road.rows() if row.message_id == new_id("message", TALK, 3)}
    assert {given for _, given in changed} == (edits if can(bench) else set())


async def test_a_reaction_waits_for_the_new_words_as_long_as_these_must_wait(bench: Bench) -> None:
    """The provider is away when the edit is to go before it: both come, in that order, each once."""
    send, troubles = bench.channel.send_text, [Temporary("unavailable")] * 2

    async def away(given: Outgoing) -> str:
        if troubles and given.address == ANA.address:
            raise troubles.pop()
        return await send(given)

    bench.channel.send_text = away  # type: ignore[method-assign, assignment]
    bench.road.say(first(), pointing(Reaction(target(), "👍"), 2, sender="olga"), edit("meet me here", 3))
    sent = await carried(bench, message(TALK, 4, "hello", to=[ANA]))
    to_ana = [text for address, text in sent if address == ANA.address]
    assert (to_ana[0], to_ana[2], len(to_ana)) == ("meet me here", "hello", 3)
    assert not troubles


async def test_of_new_words_that_never_come_nobody_hears_a_reaction(bench: Bench) -> None:
    """The provider refuses the edit for good: the reaction ends too."""
    send = bench.channel.send_text

    async def refusing(given: Outgoing) -> str:
        if given.text == "meet me here":
            raise Permanent("blocked")
        return await send(given)

    bench.channel.send_text = refusing  # type: ignore[method-assign, assignment]
    bench.road.say(first(), pointing(Reaction(target(), "👍"), 2, sender="olga"), edit("meet me here", 3))
    sent = await carried(bench, message(TALK, 4, "hello", to=[ANA]))
    assert [text for _, text in sent] == ["hello"]
    reasons = [row.facts.refused_reason for row in bench.road.rows() if row.address == ANA.address]
    assert reasons == ["replaced", "nothing_to_do", "blocked", ""]


async def test_an_edit_that_waits_is_not_made_after_its_message_was_taken_back(bench: Bench) -> None:
    """What was sent is taken back; nobody sees other words of it meanwhile."""
    await carried(bench, first())
    bench.road.say(edit("meet me here", 2))
    sent = await carried(bench, pointing(Deletion(target()), 3))
    assert len(sent) == 4
    assert not [text for _, text in sent if "here" in text and "there" not in text]
    reasons = [row.facts.refused_reason for row in bench.road.rows() if row.address == ANA.address]
    assert reasons == ["", "nothing_to_do", ""]


async def test_what_was_taken_back_is_quoted_by_nobody(bench: Bench) -> None:
    """A reply to it says none of its words."""
    reply = replace(message(TALK, 3, "which one?", to=[ANA]), reply_to=target())
    sent = await carried(bench, first(), pointing(Deletion(target())), reply)
    assert sent[-1][1].endswith("which one?")
    assert "meet me there" not in sent[-1][1]


async def test_who_has_left_hears_of_no_new_words(bench: Bench) -> None:
    """Ana got the message and left: the edit goes to Bruno, and the deletion to both."""
    changed = bench.road.store.change_members(TALK, 1, [], [ANA.user_id])
    assert changed
    assert changed.version == 2
    edit = pointing(Edit(Text("only for who is here"), target()), 2, members_version=2)
    gone = pointing(Deletion(target()), 3, members_version=2)
    sent = await carried(bench, first(), edit)
    assert [address for address, _ in sent[2:]] == [BRUNO.address]
    sent = await carried(bench, gone)
    assert sorted(address for address, _ in sent[3:]) == [ANA.address, BRUNO.address]


async def test_what_a_colleague_changed_in_the_providers_app_goes_out_to_nobody(bench: Bench) -> None:
    """It went out there already."""
    echo = replace(pointing(Reaction(target(), "👍")), origin=Origin("whatsapp", "1", ANA.address, "wamid.e", 1, "provider"))
    assert len(await carried(bench, first(), echo)) == 2
    assert bench.road.store.modifications([(TALK, 1)])


async def test_what_a_provider_says_of_an_unknown_message_is_shown(bench: Bench) -> None:
    """Nobody here knows the message: the change is a line of its own, with no target."""
    origin = Origin("whatsapp", "1", ANA.address, "wamid.r", 1)
    await carried(bench, replace(pointing(Reaction(new_id("nothing"), "👍")), origin=origin))
    [kept] = bench.road.store.page(TALK, None, None, 10)
    assert kept.payload == Reaction("", "👍")


def test_what_is_deleted_in_another_partition_is_another_message(tmp_path: Path) -> None:
    """Partitions count on their own: a message that is gone at the same seq elsewhere in the batch takes nothing with it."""
    with world(tmp_path, partitions=2) as road:
        here = next(each for number in range(99) if partition_of(each := new_id("conversation", number), 2) == 0)
        there = next(each for number in range(99) if partition_of(each := new_id("conversation", number), 2) == 1)
        road.know(ANA)
        kept, gone = message(here, "kept", to=[ANA]), message(there, "gone", to=[ANA])
        road.say(kept, gone)
        road.say(replace(message(there, 2), payload=Deletion(gone.message_id)))
        road.run()
        road.say(replace(message(here, 2), payload=Reaction(kept.message_id, "👍")))
        road.run()
        assert [each.reason for each in road.events("rejected")] == []
        [reaction] = [row for row in road.rows() if isinstance(row.payload, Reaction)]
        assert reaction.about
        assert reaction.about.words == "hello"
