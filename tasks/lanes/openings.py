"""Keys that are to be looked at because somebody says that what they are held for may have changed. Pure: no I/O."""

from collections.abc import Iterable

from chat4all.ports.holds import Opening
from tasks.lanes.timetable import Key


def opened_key(opening: Opening) -> Key:
    """The key, within its lane."""
    return opening.key.conversation_id, opening.key.address, opening.key.account


class Openings:
    """What was said of a lane's keys. Each is over when its key was served from beginning to end after it was heard."""

    def __init__(self) -> None:
        self._heard: dict[Opening, None] = {}
        self._looking: dict[Key, list[Opening]] = {}

    def hear(self, openings: Iterable[Opening]) -> list[Opening]:
        """Those of them that are news."""
        looked_for = {each for some in self._looking.values() for each in some}
        news = [each for each in openings if each not in self._heard and each not in looked_for]
        self._heard.update(dict.fromkeys(news))
        return news

    def begun(self, key: Key) -> None:
        """It is being served from now on: all that was said of it was said before."""
        mine = [each for each in self._heard if opened_key(each) == key] if self._heard else []
        if mine:
            self._looking[key] = mine
            for each in mine:
                del self._heard[each]

    def served(self, key: Key, well: bool) -> list[Opening]:
        """It was; what is over by that. Where it went wrong, it is heard anew."""
        mine = self._looking.pop(key, [])
        if not well:
            self._heard.update(dict.fromkeys(mine))
            return []
        return mine

    def drop(self, opening: Opening) -> None:
        """Nobody waits for it."""
        self._heard.pop(opening, None)
