"""What SQLite's full-text index keeps of a message, and how it is asked. Only words that were folded come in: no operators.

A message is a set of tokens, without their places: all lists are short then, and words that are in every second message cost
little. A sign in front tells apart what is no word: `=` a stem, `+` two words that touch each other, `:` a label.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise

from chat4all.model.search_terms import Term
from chat4all.model.word_forms import folded_words, stems, words

# More conversations than these are compared row by row.
CONVERSATIONS_MOST = 400


def conversation_label(conversation_id: str) -> str:
    """A conversation as one token."""
    return ":c" + "".join(each for each in conversation_id.lower() if each.isascii() and each.isalnum())


def type_label(kind: str) -> str:
    """A type of payload as one token."""
    return ":t" + kind.replace("_", "")


def tokens(text: str, conversation_id: str, kind: str) -> str:
    """All that a message is found by."""
    plain = folded_words(text)
    found = [*plain, *chain.from_iterable(map(_stems, plain))]
    if not text.isascii():
        found += _touching(text)
    return " ".join(dict.fromkeys([*found, conversation_label(conversation_id), type_label(kind)]))


@lru_cache(maxsize=50_000)
def _stems(word: str) -> tuple[str, ...]:
    return tuple(f"={stem}" for stem in stems(word))


def _touching(text: str) -> Iterator[str]:
    """What is written without blanks between its words: each two of them."""
    return (_pair(before.folded, word.folded) for before, word in pairwise(words(text)) if before.end == word.start)


def _pair(one: str, other: str) -> str:
    return f"+{one}+{other}"


def match_of(terms: Sequence[Term], conversations: Collection[str] | None, types: Sequence[str]) -> str:
    """Messages that have all of these."""
    wanted = [_said(each) for each in terms]
    if conversations is not None and len(conversations) <= CONVERSATIONS_MOST:
        wanted.append(_any(map(conversation_label, conversations)))
    if types:
        wanted.append(_any(map(type_label, types)))
    return " AND ".join(wanted)


def people_match(terms: Sequence[Term]) -> str:
    """People who are called all of these: each word may be only begun."""
    return " AND ".join(_quoted(" ".join(each.phrase)) if each.phrase else f'"{each.word}" *' for each in terms)


def _said(term: Term) -> str:
    """What has the word has its stems too, so those are enough; and a text may have a stem as a word of its own."""
    if term.phrase:
        return " AND ".join(_quoted(_pair(*each)) for each in pairwise(term.phrase))
    wanted = [f"={stem}" for stem in term.stems] + [stem for stem in term.stems if stem != term.word]
    begun = [f'"{term.word}" *'] if term.is_prefix else []
    return f"({' OR '.join([*map(_quoted, wanted or [term.word]), *begun])})"


def _any(labels: Iterable[str]) -> str:
    return f"({' OR '.join(map(_quoted, labels))})"


def _quoted(word: str) -> str:
    return f'"{word}"'
