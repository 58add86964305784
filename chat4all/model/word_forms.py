"""Words as search compares them: without case and accents, and by their stems in Portuguese and English. Pure.

Index and question go through the same functions, so what is said in one way is found in another: "informações" and
"informacao", "running" and "runs". Where each word stands in the text is kept, to mark it.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from threading import local

import Stemmer
from msgspec import Struct

LANGUAGES = ("portuguese", "english")
# Scripts that are written without blanks: each character is a word, and several beside each other are a phrase.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
MARKS = "\u0300-\u036f"
WORD = re.compile(f"[{UNSPACED}]|[^\\W_{UNSPACED}][^\\W_{UNSPACED}]*(?:[{MARKS}]+[^\\W_{UNSPACED}]*)*")
ASCII_WORD = re.compile("[A-Za-z0-9]+")
# Longer ones are no words that people look for: keys, and what is encoded. They are compared by their beginning.
LONGEST = 40
SHORTEST_STEMMED = 3
# People leave accents out, and the stemmer knows Portuguese endings by theirs. It also knows few plurals: they become singular.
ENDINGS = (
    ("iveis", "ível"), ("aveis", "ável"), ("ivel", "ível"), ("avel", "ável"), ("encias", "ência"), ("ancias", "ância"),
    ("encia", "ência"), ("ancia", "ância"), ("coes", "ção"), ("cao", "ção"), ("oes", "ão"), ("aes", "ão"), ("aos", "ão"),
    ("ao", "ão"), ("ais", "al"), ("eis", "el"), ("ois", "ol"), ("uis", "ul"), ("ns", "m"),
)  # fmt: skip

_thread = local()


class Word(Struct, frozen=True):
    """A word of a text: [`start`, `end`) in it, and how it is compared."""

    start: int
    end: int
    folded: str


def folded(text: str) -> str:
    """The text without case and accents."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(each for each in parts if not unicodedata.combining(each)).casefold()


def words(text: str) -> Iterator[Word]:
    """The words of a text, in its order."""
    for found in _pattern(text).finditer(text):
        plain = _plain(found[0])
        if plain:
            yield Word(found.start(), found.end(), plain)


def folded_words(text: str) -> list[str]:
    """The same, only how they are compared."""
    return [plain for plain in map(_plain, _pattern(text).findall(text)) if plain]


def _pattern(text: str) -> re.Pattern[str]:
    return ASCII_WORD if text.isascii() else WORD


@lru_cache(maxsize=50_000)
def _plain(word: str) -> str:
    return "".join(each for each in folded(word) if each.isalnum())[:LONGEST]


@lru_cache(maxsize=50_000)
def stems(word: str) -> tuple[str, ...]:
    """What a folded word is found by besides itself: its stems in each language. None of numbers, or short words."""
    if len(word) < SHORTEST_STEMMED or not word.isalpha() or not word.isascii():
        return ()
    portuguese, english = _stemmers()
    return tuple(dict.fromkeys([folded(portuguese.stemWord(_with_accents(word))), english.stemWord(word)]))


def _with_accents(word: str) -> str:
    return next((word.removesuffix(plain) + accented for plain, accented in ENDINGS if word.endswith(plain)), word)


def _stemmers() -> list[Stemmer.Stemmer]:
    """Those of this thread: one may not be used by two at once."""
    if not hasattr(_thread, "stemmers"):
        _thread.stemmers = [Stemmer.Stemmer(each, 0) for each in LANGUAGES]
    found: list[Stemmer.Stemmer] = _thread.stemmers
    return found
