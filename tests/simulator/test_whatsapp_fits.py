"""Whatever people may send, WhatsApp takes as the channel sends it: generated content, against the simulator's rules."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chat4all.channels import whatsapp_sends
from chat4all.channels.whatsapp import WhatsApp
from chat4all.model.content import (
    CHOICE_STYLES,
    Card,
    Choices,
    ContactCards,
    Content,
    Form,
    Link,
    Location,
    Option,
    Reaction,
    Template,
    TemplateParameters,
)
from chat4all.ports import Outgoing
from chat4all.services.acceptance.adaptation import adapted
from chat4all.services.acceptance.content_checks import content_fault
from ops.simulator.media import MediaStore
from ops.simulator.providers import templates
from ops.simulator.providers import whatsapp_sends as taken

ORDER = templates.Template("order", components=[{"type": "BODY", "text": "{{1}} and {{2}}"}])
words = st.text(min_size=1, max_size=40).filter(str.strip)
some = st.text(max_size=80)
# Short and alike, so that limits and repetitions are met often.
titles = st.one_of(st.sampled_from(["Yes", "No", " ", "é", "🚲 x"]), st.text(min_size=1, max_size=30))
options = st.builds(Option, id=st.uuids().map(str), title=titles, description=some, section=some)
links = st.builds(Link, title=titles, url=st.just("https://shop.example/?a=b"))
choices = st.builds(
    Choices,
    text=words,
    options=st.lists(options, max_size=11).map(tuple),
    style=st.sampled_from(CHOICE_STYLES),
    header=some,
    footer=some,
    button=some,
    links=st.lists(links, max_size=2).map(tuple),
)
lines = st.lists(words, max_size=2).map(tuple)
cards = st.builds(
    Card, name=words, phones=lines, emails=lines, organization=some, addresses=lines, urls=lines, birthday=some,
    ids=st.dictionaries(st.sampled_from(["whatsapp", "telegram"]), words, max_size=2),
)  # fmt: skip
contents = st.one_of(
    choices,
    st.builds(ContactCards, st.lists(cards, min_size=1, max_size=3).map(tuple)),
    st.builds(Location, st.floats(-90, 90), st.floats(-180, 180), some, some),
    st.builds(Form, text=some, button=some, flow_id=st.just("77"), token=some, screen=some, data=st.dictionaries(words, some)),
    st.builds(Reaction, target=st.uuids().map(str), emoji=st.sampled_from(["👍", "❤️", "", "🚲"])),
    st.builds(Template, st.just("order"), st.just("en_US"), st.builds(TemplateParameters, body=st.tuples(words, words))),
)


@given(contents, st.sampled_from(["", "Ana"]))
def test_what_may_be_sent_is_taken(content: Content, name: str) -> None:
    """What goes as it is, and every part of what is adapted to another style or gets a name in front, is not refused."""
    if content_fault(content, 4096) is not None:  # type: ignore[arg-type]
        return
    for part in adapted(content, name, WhatsApp.limits) or (content,):
        if isinstance(part, str):
            assert 0 < len(part) <= WhatsApp.limits.text_length
            continue
        kind, sent = whatsapp_sends.part_of(Outgoing("+5511999990000", "", "whatsapp:0:7:0", targets=("wamid.1",)), part)
        known = templates.Templates()
        known.set([ORDER])
        body = msgspec.json.decode(msgspec.json.encode({"to": "+5511999990000", "type": kind, kind: sent}))
        assert taken.read("1", body, MediaStore(""), known).kind == kind
