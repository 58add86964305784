"""What is said of messages later, as hypothesis draws it: few values, so that many are of one slot."""

from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.model.content import Deletion, Edit, Modifier, Reaction, Text, Vote
from chat4all.model.modifiers import Modification


def _content(kind: str, seq: int) -> Modifier:
    """One record says one thing."""
    if kind == "reaction":
        return Reaction("m", ["", "👍", "❤️"][seq % 3])
    if kind == "vote":
        return Vote("m", [(), (1,), (1, 2)][seq % 3])
    return Edit(Text(f"said {seq}"), "m") if kind == "edit" else Deletion("m")


def _modification(seq: int, target_seq: int, kind: str, sender: str, provider_at: int, speaker: str = "") -> Modification:
    return Modification(
        "c", target_seq, seq, 1_000 + seq, _content(kind, seq), sender, provider_at, speaker_id=speaker, speaker=speaker.title()
    )


def modification(kinds: tuple[str, ...]) -> st.SearchStrategy[Modification]:
    """One of these kinds."""
    senders = st.sampled_from(["ana", "bob"])
    numbers, speakers = st.sampled_from([0, 7, 8]), st.sampled_from(["", "ines", "caio"])
    return st.builds(_modification, st.integers(10, 30), st.integers(1, 3), st.sampled_from(kinds), senders, numbers, speakers)


def several(*kinds: str) -> st.SearchStrategy[list[Modification]]:
    """Any of these kinds, each of a record of its own."""
    drawn = modification(kinds or ("reaction", "vote", "edit", "deletion"))
    return st.lists(drawn, max_size=8, unique_by=lambda each: each.seq)


def within(conversation_id: str, drawn: list[Modification]) -> list[Modification]:
    """The same, in a conversation of one's own."""
    return [replace(each, conversation_id=conversation_id) for each in drawn]
