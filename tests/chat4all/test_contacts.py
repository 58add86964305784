"""What is kept about contacts: pure rules."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from chat4all.model.contacts import CONSENTS, GRANTED, REVOKED, Consent, Profile, read_profile

consents = st.builds(Consent, st.sampled_from(CONSENTS), st.integers(1, 4))


def test_profiles_of_older_code_are_read() -> None:
    """Who had opted out has revoked it, when they said so; who had come back has granted it."""
    body = (
        '{"user_id":"c","version":3,"changed_at":9,"opted_out":["telegram","whatsapp"],"word_at":{"whatsapp":5,"instagram":6}}'
    )
    wanted = {"telegram": Consent(REVOKED, 9), "whatsapp": Consent(REVOKED, 5), "instagram": Consent(GRANTED, 6)}
    assert read_profile(body) == Profile("c", 3, 9, consents=wanted)


@given(st.lists(consents, min_size=1, max_size=4))
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
