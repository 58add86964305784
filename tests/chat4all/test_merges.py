"""What is true of contacts that are one person, whatever was merged into whom and in whatever order."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chat4all.model.contacts import GRANTED, REVOKED, Consent, Merge, Profile
from chat4all.model.conversations import User, UserKind
from chat4all.model.merges import Family, root_of, stricter

NAMES = [f"c{number}" for number in range(6)]
CHANNEL = "whatsapp"
words = st.sets(st.sampled_from("abcd")).map(lambda some: tuple(sorted(some)))
consents = st.none() | st.builds(Consent, st.sampled_from([GRANTED, REVOKED]), st.integers(1, 40))


@st.composite
def families(draw: st.DrawFn) -> Family:
    """Any number of contacts, each but the first merged into one with a smaller id."""
    profiles = {}
    for number, name in enumerate(NAMES[: draw(st.integers(1, len(NAMES)))]):
        said = draw(consents)
        profiles[name] = Profile(
            name,
            tags=draw(words),
            notes=draw(st.sampled_from(["", name])),
            attributes=dict.fromkeys(draw(words), name),
            consents={CHANNEL: said} if said else {},
            blocked_at=draw(st.sampled_from([0, 0, number + 1])),
            merges=(
                (Merge(draw(st.sampled_from(NAMES[:number])), draw(st.integers(1, 40)), leads=draw(st.booleans())),)
                if number
                else ()
            ),
        )
    return Family(NAMES[0], profiles)


@given(families())
def test_all_lead_to_the_smallest_id(family: Family) -> None:
    """On whatever way; ids only grow smaller on it, so there is no circle."""
    assert {root_of(each, family.profiles) for each in family.profiles} == {NAMES[0]}


@given(families())
def test_the_whole_has_what_any_has(family: Family) -> None:
    """Tags, notes and attributes of all, and no others; blocked if one is."""
    whole, each = family.whole, family.profiles.values()
    assert set(whole.tags) == {tag for one in each for tag in one.tags}
    assert set(whole.notes.split()) == {one.notes for one in each} - {""}
    assert whole.attributes.keys() == {key for one in each for key in one.attributes}
    assert bool(whole.blocked_at) is any(one.blocked_at for one in each)
    assert sorted(family.speaking) == sorted(family.profiles)


@given(families())
def test_one_stands_for_all_in_each_list(family: Family) -> None:
    """Whoever of them is in a list, exactly one of these is shown; none where the team took the tag from all."""
    for tag in "abcd":
        standing = [each for each in family.profiles if family.stands_for_all(each, tag)]
        assert len(standing) == (1 if tag in family.whole.tags else 0)
        assert all(tag in family.profiles[each].tags for each in standing)
    assert [each for each in family.profiles if family.stands_for_all(each, "")] == [family.root]


@given(families())
def test_nobody_who_wanted_nothing_before_gets_more_by_a_merge(family: Family) -> None:
    """Consent of all is given only if nobody revoked it, or somebody gave it after a merge."""
    said = [each.consents[CHANNEL] for each in family.profiles.values() if CHANNEL in each.consents]
    state = family.whole.consent(CHANNEL)
    assert (state == "") is (not said)
    if state == GRANTED and any(each.state == REVOKED for each in said):
        first = min(merge.at for _, merge in family.merged)
        assert any(each.state == GRANTED and each.at > first for each in said)


@given(families(), st.integers(41, 60))
def test_what_is_said_after_all_merges_counts(family: Family, at: int) -> None:
    """By whichever of them."""
    for state in (GRANTED, REVOKED):
        for name, profile in family.profiles.items():
            said = replace(profile, consents={CHANNEL: Consent(state, at)})
            assert Family(family.root, {**family.profiles, name: said}).whole.consent(CHANNEL) == state


@given(families(), words)
def test_what_the_team_says_of_all_is_all_that_counts(family: Family, tags: tuple[str, ...]) -> None:
    """Whoever was merged before: what they have themselves is kept, and hidden."""
    includes = {each: merge.at for each, merge in family.merged if merge.into == family.root}
    changed = replace(family.profiles[family.root], tags=tags, notes="x", attributes={}, includes=includes)
    whole = Family(family.root, {**family.profiles, family.root: changed}).whole
    assert (whole.tags, whole.notes, whole.attributes) == (tags, "x", {})


@given(consents.filter(bool), consents.filter(bool), st.integers(1, 40))
def test_of_two_consents_the_same_stands_whoever_is_asked_first(one: Consent, other: Consent, merged_at: int) -> None:
    """It is one of the two."""
    found = stricter(one, other, merged_at)
    assert found == stricter(other, one, merged_at)
    assert found in (one, other)


def test_the_name_is_the_team_s_or_the_first_one_s() -> None:
    """Who leads comes first; a name that the team gave comes before all."""
    users = {each: User(each, UserKind.CONTACT, 1, each.upper()) for each in NAMES[:2]}
    for leads, wanted in ((False, "C0"), (True, "C1")):
        family = Family("c0", {"c0": Profile("c0"), "c1": Profile("c1", merges=(Merge("c0", 1, leads=leads),))})
        assert family.called(users).display_name == wanted
        for name, user in users.items():
            given_one = {**users, name: replace(user, display_name="Bea", is_named=True)}
            assert family.called(given_one) == replace(users["c0"], display_name="Bea", is_named=True)
