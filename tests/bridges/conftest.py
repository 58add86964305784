from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bridges.road import Road, settings_in


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    road = Road(settings_in(tmp_path))
    road.users("alice", "bob", "carol")
    yield road
    road.close()
