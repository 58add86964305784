"""The shape of records goes with their version: who changes one is asked about the other."""

from typing import Any

import msgspec
import pytest

from chat4all.model.messages import File, Message, Recipient, Text
from chat4all.model.records import VERSION, Position, ProviderReceipt
from tests.golden.past import shapes

KINDS: list[Any] = [Message, Recipient, Text, File, ProviderReceipt, Position]


@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.__name__)
def test_a_record_has_the_fields_of_its_version(kind: Any) -> None:
    """A new field that older code must not pass over needs a new VERSION; any other is added to that version's shape.

    Fields are never taken away, moved or made required: what was written with them is read for ever.
    """
    fields = {each.encode_name: each.required for each in msgspec.structs.fields(kind)}
    kept = shapes()[str(VERSION)][kind.__name__]
    assert list(fields) == [name.rstrip("?") for name in kept], "see docs/decisions/versions.md"
    assert [name for name, required in fields.items() if required] == [name for name in kept if not name.endswith("?")]
    for version, older in shapes().items():
        assert set(older[kind.__name__]) <= set(kept), version
