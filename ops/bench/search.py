"""What search costs: an index of a million messages, fed as the indexer does, then asked. Writes build/search.json.

`COUNT=100000` for fewer. Words are as frequent as in speech: the k-th most frequent of 30,000 has a share of 1/k. The index
alone is measured, in this process; the store, which is asked for what is found, answers as for a page of history.
"""

import json
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import accumulate, chain, islice
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chat4all.model.search_terms import terms
from chat4all.ports import Document, Feeding, Search, SearchIndex
from chat4all.root import ROOT
from chat4all.settings import Settings
from ops.bench.figures import Spread, spread
from storage.search_index.sqlite import SQLiteSearchIndex

COUNT = 1_000_000
CONVERSATIONS = 20_000
VOCABULARY = 30_000
WORDS = 12
BATCH = 2_000
LIVE = 150
ASKED = 300
LIMIT_S = 10.0
PAGE = 50
BEGAN = 1_780_000_000_000
STATE = Feeding("bench")
SYLLABLES = [first + second for first in "bcdfglmnprstv" for second in "aeiou"]
ENDINGS = ("", "s", "ção", "ções", "mente", "ar", "ando", "ing")


def vocabulary(chance: random.Random) -> list[str]:
    """Words of two to four syllables, with endings as Portuguese and English have them."""
    made: dict[str, None] = {}
    while len(made) < VOCABULARY:
        made["".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))) + chance.choice(ENDINGS)] = None
    return list(made)


def documents(chance: random.Random, known: Sequence[str], count: int) -> Iterator[Document]:
    """Messages, one each 100 ms."""
    shares = list(accumulate(1 / rank for rank in range(1, len(known) + 1)))
    for seq in range(1, count + 1):
        text = " ".join(chance.choices(known, cum_weights=shares, k=WORDS))
        yield Document(conversation(chance.randrange(CONVERSATIONS)), seq, BEGAN + seq * 100, text, "text", is_new=True)


def conversation(number: int) -> str:
    """One of the conversations."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def questions(chance: random.Random, known: Sequence[str]) -> dict[str, Callable[[], Search]]:
    """Kinds of questions, each as somebody may ask it."""
    common, usual, rare = known[:20], known[200:2_000], known[10_000:]
    mine = [conversation(number) for number in range(50)]
    return {
        "a common word": lambda: Search(terms(f"{chance.choice(common)} ")),
        "a rare word": lambda: Search(terms(f"{chance.choice(rare)} ")),
        "two words": lambda: Search(terms(f"{chance.choice(usual)} {chance.choice(usual)} ")),
        "three words, two common": lambda: Search(terms(" ".join([*chance.sample(common, 2), chance.choice(usual), ""]))),
        "the beginning of a word": lambda: Search(terms(chance.choice(usual)[:4])),
        "two letters": lambda: Search(terms(chance.choice(usual)[:2])),
        "a common word, in 50 conversations": lambda: Search(terms(f"{chance.choice(common)} "), mine),
        "two words, in one conversation": lambda: Search(terms(" ".join([*chance.sample(common, 2), ""])), mine[:1]),
    }


def feed(index: SearchIndex, texts: Iterator[Document]) -> tuple[int, float, float]:
    """All of them; how many, in how many seconds, with how many seconds of CPU."""
    index.begin("bench")
    index.empty("bench", STATE)
    count, began, cpu = 0, time.monotonic(), _cpu()
    while batch := list(islice(texts, BATCH)):
        index.feed("bench", STATE, batch)
        count += len(batch)
    return count, time.monotonic() - began, _cpu() - cpu


def ask(index: SearchIndex, kinds: dict[str, Callable[[], Search]]) -> tuple[dict[str, Spread], dict[str, Spread]]:
    """Of a page, in ms, by kind of question: the time until it is there, and the CPU time, in which others have no part."""
    took: dict[str, list[float]] = {name: [] for name in kinds}
    spent: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(ASKED):
        for name, make in kinds.items():
            search = make()
            began, cpu = time.monotonic(), time.thread_time()
            index.find(search, PAGE, LIMIT_S)
            spent[name].append((time.thread_time() - cpu) * 1000)
            took[name].append((time.monotonic() - began) * 1000)
    return _spreads(took), _spreads(spent)


def _spreads(values: dict[str, list[float]]) -> dict[str, Spread]:
    return {name: spread(each) for name, each in values.items()} | {"all": spread(chain.from_iterable(values.values()))}


def _index(folder: Path) -> SearchIndex:
    index = SQLiteSearchIndex(Settings(data=folder, search="sqlite:search.db"))
    index.migrate()
    return index


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(console: Console) -> int:
    """Measure, print, write."""
    chance, wanted = random.Random(7), int(os.environ.get("COUNT", COUNT))
    known = vocabulary(chance)
    # Making the messages up is no cost of the index.
    made = list(documents(chance, known, wanted + LIVE))
    with tempfile.TemporaryDirectory(prefix="chat4all-bench-") as folder, closing(_index(Path(folder))) as index:
        count, seconds, spent = feed(index, iter(made[:wanted]))
        began, cpu = time.monotonic(), _cpu()
        index.feed("bench", STATE, made[wanted:])
        live_ms, live_cpu = (time.monotonic() - began) * 1000, (_cpu() - cpu) / LIVE * 1e6
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        times, spent_ms = ask(index, questions(chance, known))
    each_us = spent / count * 1e6
    console.print(f"{count:,} messages, {size / 1e6:,.0f} MB, {count / seconds:,.0f} a second, {each_us:.0f} µs of CPU each")
    console.print(f"{LIVE} live messages at once: {live_ms:.0f} ms, {live_cpu:.0f} µs of CPU each")
    table = Table()
    for name in ("question", "p50 ms", "p99 ms", "CPU p50 ms", "p99 ms"):
        table.add_column(name)
    for name, each in times.items():
        table.add_row(name, *(str(figure) for of in (each, spent_ms[name]) for figure in (of.p50, of.p99)))
    console.print(table)
    written = {
        "messages": count,
        "bytes": size,
        "messages_per_second": round(count / seconds),
        "cpu_us_per_message": round(each_us, 1),
        "live_batch_ms": round(live_ms, 1),
        "live_cpu_us_per_message": round(live_cpu, 1),
        "questions_ms": {name: {"p50": each.p50, "p99": each.p99} for name, each in times.items()},
        "questions_cpu_ms": {name: {"p50": each.p50, "p99": each.p99} for name, each in spent_ms.items()},
    }
    path = ROOT / "build" / "search.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(written, indent=2))
    return 0
