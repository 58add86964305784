"""What is kept about contacts: pure rules."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.model.contacts import BLOCKED, CONSENTS, GONE, GRANTED, REVOKED, Consent, Profile, Reach, read_profile
from chat4all.model.conversations import Identity

heards = st.builds(Reach, st.sampled_from(["", BLOCKED, GONE]), st.integers(1, 4))
consents = st.builds(Consent, st.sampled_from(CONSENTS), st.integers(1, 4))


def test_profiles_of_older_code_are_read() -> None:
    """Who had opted out has revoked it, when they said so; who had come back has granted it."""
    body = (
        '{"user_id":"c","version":3,"changed_at":9,"opted_out":["telegram","whatsapp"],"word_at":{"whatsapp":5,"instagram":6}}'
    )
    wanted = {"telegram": Consent(REVOKED, 9), "whatsapp": Consent(REVOKED, 5), "instagram": Consent(GRANTED, 6)}
    assert read_profile(body) == Profile("c", 3, 9, consents=wanted)


@given(st.lists(consents, min_size=1, max_size=3))
def test_consents_are_heard_in_any_order(said: list[Consent]) -> None:
    """And any number of times: what was said last stands, and no stands where both were said at once."""
    outcomes = set()
    for order in permutations(said):
        profile = Profile("c")
        for each in (*order, *order):
            profile = profile.consenting("whatsapp", each)
        outcomes.add((profile.consent("whatsapp"), profile.consents["whatsapp"].at))
    [(state, at)] = outcomes
    last = {each.state for each in said if each.at == at}
    assert at == max(each.at for each in said)
    assert state == (REVOKED if REVOKED in last else GRANTED)


@given(st.lists(heards, min_size=1, max_size=3), st.integers(0, 5))
def test_what_is_heard_of_an_address_is_heard_in_any_order(heard: list[Reach], wrote_at: int) -> None:
    """The newest word counts, unless the person has written since."""
    place = ("telegram", "7")
    identity = Identity(*place, "c", 1, last_wrote_at=wrote_at)
    last = max(heard, key=lambda each: (each.at, each.why))
    for order in permutations(heard):
        profile = Profile("c")
        for each in (*order, *order):
            profile = profile.reached(place, each)
        assert profile.unreached(identity) == (last.why if last.at > wrote_at else "")
        assert replace(profile, blocked_at=9).unreached(identity) == BLOCKED
