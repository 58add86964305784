"""The rows of a key that waits are found again: each once, wherever pages and what was read of the lane end."""

from collections.abc import Iterator
from itertools import pairwise, product

import pytest

from chat4all.model.deliveries import LAST_INDEX, Lane
from chat4all.ports import Waiting
from tasks.lanes.waiting_rows import Finder, Place
from tests.tasks.world import World, message, new_id, whatsapp, world

TALK, COUNT = new_id("conversation", 1), 6
# Of each message the second row is of the key that waits.
OTHER, MINE = whatsapp(1), whatsapp(9)


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("rows"), partitions=1) as made:
        made.say(*[message(TALK, n, to=[OTHER, MINE]) for n in range(COUNT)])
        made.run()
        yield made


def walked(finder: Finder, start: Place, limits: list[Place]) -> list[Place]:
    """What a key that is looked up finds, while the lane is read from one of these places to the next."""
    place, found = start, list[Place]()
    for limit in limits:
        while True:
            page = finder.rows(place, limit)
            found += [(row.key.seq, row.key.index) for row in page.rows]
            place = page.after or (limit[0], limit[1] + 1)
            if page.after is None:
                break
    return found


@pytest.mark.parametrize(("size", "is_forgotten"), list(product(range(1, COUNT + 2), [False, True])))
def test_each_row_is_found_once_wherever_reading_ends(road: World, size: int, is_forgotten: bool) -> None:
    """Through messages or, where these are gone, through the lane; also where a page ends in the middle of a message."""
    rows = [(row.key.seq, row.key.index) for row in road.rows() if row.address == MINE.address]
    first = rows[1]
    waiting = Waiting(Lane("whatsapp", 0), TALK, MINE.address, *first, 0, 0)
    end = (rows[-1][0], LAST_INDEX)
    places = [(seq, index) for seq, _ in rows for index in (0, 1, LAST_INDEX)]
    with road.faults.instead("page", (lambda *_: []) if is_forgotten else road.faults.real.page):
        for one, other in [(end, end), *pairwise(places), *zip(places, reversed(places), strict=True)]:
            limits = sorted({one, other, end})
            found = walked(Finder(road.store, waiting, size, size), first, limits)
            assert [each for each in found if each >= first] == rows[1:], limits
            assert found == sorted(set(found))
