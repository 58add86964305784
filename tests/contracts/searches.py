"""The search indexes under test. A new adapter is one more line in INDEXES."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat4all.ports import SearchIndex
from chat4all.settings import Settings
from storage.open import open_search

INDEXES: dict[str, Callable[[Path], Settings]] = {
    "sqlite": lambda folder: Settings(data=folder, search="sqlite:search.db"),
}


def opened(settings: Settings) -> SearchIndex:
    """The index of these settings."""
    index = open_search(settings)
    assert index is not None
    return index


@pytest.fixture(params=INDEXES)
def index_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings that name an index of the test's own."""
    return INDEXES[request.param](tmp_path)


@pytest.fixture
def index(index_settings: Settings) -> Iterator[SearchIndex]:
    """An open index, ready to use."""
    found = opened(index_settings)
    found.migrate()
    yield found
    found.close()
