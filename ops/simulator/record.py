"""What arrived, in order: in memory to be asked, and in a file so that a killed simulator has lost nothing."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from ops.simulator.model import Arrival

_encode = msgspec.json.Encoder().encode
_arrival = msgspec.json.Decoder(Arrival).decode


class Record:
    """Arrivals of all channels. One JSON line each in `folder`/sent.jsonl; settled ones are named in settled.txt.

    Beside them, in heard.txt, when each person wrote last.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._sent_path = folder / "sent.jsonl"
        self._settled_path = folder / "settled.txt"
        self._heard_path = folder / "heard.txt"
        self._arrivals: list[Arrival] = []
        self._to: dict[tuple[str, str], list[Arrival]] = defaultdict(list)
        self._by_id: dict[tuple[str, str], Arrival] = {}
        self._heard_at: dict[tuple[str, str], int] = {}
        self._load()
        # Unbuffered: what the kernel has, kill -9 does not take.
        self._sent = self._sent_path.open("ab", buffering=0)
        self._settled = self._settled_path.open("ab", buffering=0)
        self._heard = self._heard_path.open("ab", buffering=0)

    def add(self, arrival: Arrival) -> None:
        """Keep it. Written when this returns."""
        self._sent.write(_encode(arrival) + b"\n")
        self._index(arrival)

    def settle(self, arrivals: Iterable[Arrival]) -> None:
        """Nothing more will be told of these."""
        lines = []
        for each in arrivals:
            each.settled = True
            lines.append(f"{each.channel} {each.provider_id}\n")
        if lines:
            self._settled.write("".join(lines).encode())

    def hear(self, channel: str, address: str, at: int) -> None:
        """This person wrote, at this time (ms)."""
        self._heard.write(f"{channel} {at} {address}\n".encode())
        self._heard_at[channel, address] = at

    def heard(self, channel: str, address: str) -> int | None:
        """When this person wrote last (ms); None: never."""
        return self._heard_at.get((channel, address))

    def sent(self, channel: str = "", to: str = "", after: int = 0) -> Sequence[Arrival]:
        """What arrived, oldest first, of one channel or address, without the first `after` of them."""
        if channel and to:
            return self._to.get((channel, to), [])[after:]
        if not channel and not to:
            return self._arrivals[after:]
        return [each for each in self._arrivals if channel in ("", each.channel) and to in ("", each.to)][after:]

    def find(self, channel: str, provider_id: str) -> Arrival | None:
        """The arrival of this id."""
        return self._by_id.get((channel, provider_id))

    def unsettled(self, channel: str) -> Sequence[Arrival]:
        """What a simulator that was killed had still to tell about."""
        return [each for each in self._arrivals if each.channel == channel and not each.settled]

    def __len__(self) -> int:
        return len(self._arrivals)

    def clear(self) -> None:
        """Forget all, on disk too."""
        for file in (self._sent, self._settled, self._heard):
            file.truncate(0)
        self._heard_at.clear()
        self._arrivals.clear()
        self._to.clear()
        self._by_id.clear()

    def close(self) -> None:
        """Let go of the files."""
        self._sent.close()
        self._settled.close()
        self._heard.close()

    def _index(self, arrival: Arrival) -> None:
        self._arrivals.append(arrival)
        self._to[arrival.channel, arrival.to].append(arrival)
        self._by_id[arrival.channel, arrival.provider_id] = arrival

    def _load(self) -> None:
        for line in _lines(self._sent_path):
            try:
                self._index(_arrival(line))
            except msgspec.MsgspecError:
                # The last line of a killed machine; its sender never had an answer.
                continue
        for line in _lines(self._settled_path):
            channel, _, provider_id = line.decode(errors="replace").partition(" ")
            arrival = self._by_id.get((channel, provider_id))
            if arrival is not None:
                arrival.settled = True
        for line in _lines(self._heard_path):
            channel, at, address = [*line.decode(errors="replace").split(" ", 2), "", ""][:3]
            if at.isascii() and at.isdigit() and address:
                self._heard_at[channel, address] = int(at)


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []
