"""The shape of records goes with their version: who changes one is asked about the other."""

from typing import Any

import msgspec
import pytest

from chat4all.model import content
from chat4all.model.messages import Message, Origin, Recipient
from chat4all.model.records import VERSION, Position, ProviderReceipt
from tests.golden.past import shapes

INNER: list[Any] = [content.Card, content.Option, content.Link, content.TemplateParameters, content.OrderItem]
KINDS: list[Any] = [Message, Recipient, Origin, *content.Content.__args__, *INNER, ProviderReceipt, Position]
# What was called differently when it was written down first.
ONCE = {"Media": "File"}


def name_of(kind: type) -> str:
    return ONCE.get(kind.__name__, kind.__name__)


@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.__name__)
def test_a_record_has_the_fields_of_its_version(kind: Any) -> None:
    """A new field that older code must not pass over needs a new VERSION; any other is added to that version's shape.

    Fields are never taken away, moved or made required: what was written with them is read for ever.
    """
    fields = {each.encode_name: each.required for each in msgspec.structs.fields(kind)}
    kept = shapes()[str(VERSION)][name_of(kind)]
    assert list(fields) == [name.rstrip("?") for name in kept], "see docs/decisions/versions.md"
    assert [name for name, required in fields.items() if required] == [name for name in kept if not name.endswith("?")]
    for version, older in shapes().items():
        assert set(older.get(name_of(kind), ())) <= set(kept), version
