"""What somebody looks for, as words; whether a text has them, and where. Pure.

A question is words only: quotes, signs and operators are passed over, so nothing that is typed is ever a command.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from chat4all.model.content import Content, files_of, joined_lines, own_words
from chat4all.model.word_forms import Word, folded_words, stems, words

WORDS_MOST = 16
LENGTH_MOST = 256
# The last word may be only begun. Two letters are too little to go by: half of all messages have a word that begins so.
SHORTEST_PREFIX = 3
# As many digits in a row are a number that people are reached at.
NUMBER = 4
NUMERIC = re.compile(r"[-+0-9().\s/]+")
SNIPPET = 160
BEFORE = 40


class Term(Struct, frozen=True):
    """One of the words that a text must have: `word`, or what has one of its `stems`. `is_prefix`: or what begins with it.

    `phrase`: these words in a row, of scripts without blanks; then `word` is its first.
    """

    word: str
    stems: tuple[str, ...] = ()
    is_prefix: bool = False
    phrase: tuple[str, ...] = ()

    def fits(self, word: str) -> bool:
        """Whether a folded word is meant."""
        if self.phrase:
            return word in self.phrase
        if word == self.word or (self.is_prefix and word.startswith(self.word)):
            return True
        return bool(self.stems) and not set(self.stems).isdisjoint((word, *stems(word)))


class Snippet(Struct, frozen=True):
    """Part of a text around the first word that was looked for; [start, end) of each such word in it, in characters."""

    text: str
    marks: tuple[tuple[int, int], ...]


def searched(content: Content) -> str:
    """The text that a message is found by: its words, and the names of its files."""
    return joined_lines(own_words(content), *(each.filename for each in files_of(content)))


def terms(question: str) -> tuple[Term, ...]:
    """The words of a question. ValueError says what is wrong with it."""
    if len(question) > LENGTH_MOST:
        raise ValueError(f"at most {LENGTH_MOST} characters")
    found = list(words(question))
    if not found:
        raise ValueError("a word at least: letters or digits")
    runs = _runs(found)
    if len(runs) > WORDS_MOST:
        raise ValueError(f"at most {WORDS_MOST} words")
    last = runs[-1]
    begun = question[last[-1].end :] == "" and len(last) == 1 and len(last[0].folded) >= SHORTEST_PREFIX
    made = [_term(run) for run in runs]
    if begun:
        made[-1] = Term(made[-1].word, made[-1].stems, True)
    return tuple(dict.fromkeys(made))


def _runs(found: Sequence[Word]) -> list[list[Word]]:
    """Words that touch each other are written without blanks: they belong together."""
    runs = [[found[0]]]
    for before, word in pairwise(found):
        if before.end == word.start:
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs


def _term(run: Sequence[Word]) -> Term:
    first = run[0].folded
    return Term(first, phrase=tuple(each.folded for each in run)) if len(run) > 1 else Term(first, stems(first))


def people_terms(question: str) -> tuple[Term, ...]:
    """The same of who is called so: a number, however it is grouped, is one word."""
    number = "".join(each for each in question if each.isdigit())
    if len(number) >= NUMBER and NUMERIC.fullmatch(question):
        return (Term(number, is_prefix=True),)
    return terms(question)


def called(text: str, addresses: Sequence[str]) -> list[str]:
    """The words that somebody is found by: of the name, and of addresses; of a number each of its endings too.

    People know the last digits of a number, or leave out the country.
    """
    plain = folded_words(text)
    for address in addresses:
        number = "".join(each for each in address if each.isdigit())
        plain += folded_words(address) + [number[first:] for first in range(len(number) - NUMBER + 1)]
    return list(dict.fromkeys(plain))


def is_called(text: str, addresses: Sequence[str], wanted: Sequence[Term]) -> bool:
    """Whether somebody is called so: each word may be only begun."""
    there = called(text, addresses)
    return all(_begins(term, there) for term in wanted)


def _begins(term: Term, there: Sequence[str]) -> bool:
    return all(each in there for each in term.phrase) if term.phrase else any(each.startswith(term.word) for each in there)


def has(text: str, wanted: Sequence[Term]) -> bool:
    """Whether a text has all of these."""
    there = {each.folded for each in words(text)}
    return all(all(each in there for each in term.phrase) if term.phrase else any(map(term.fits, there)) for term in wanted)


def snippet(text: str, wanted: Sequence[Term]) -> Snippet:
    """The part of a text where the first of these is."""
    places = [(each.start, each.end) for each in words(text) if any(term.fits(each.folded) for term in wanted)]
    start = _start(text, places[0][0] if places else 0)
    end = min(len(text), start + SNIPPET)
    marks = tuple((first - start, last - start) for first, last in places if start <= first and last <= end)
    return Snippet(text[start:end], marks)


def _start(text: str, first: int) -> int:
    """Where a snippet begins: at a word a little before the first that is marked."""
    if first <= BEFORE or len(text) <= SNIPPET:
        return 0
    begin = min(first - BEFORE, max(0, len(text) - SNIPPET))
    blank = text.find(" ", begin, first)
    return blank + 1 if blank >= 0 else begin
