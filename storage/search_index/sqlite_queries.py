"""What is asked of SQLite's full-text index, in its query language. Only words that were folded come in: no operators."""

from collections.abc import Collection, Iterable, Sequence

from chat4all.model.search_terms import Term
from chat4all.model.word_forms import folded_words, stems

# More conversations than these are compared row by row.
CONVERSATIONS_MOST = 400


def conversation_label(conversation_id: str) -> str:
    """A conversation as one word."""
    return "c" + "".join(each for each in conversation_id.lower() if each.isascii() and each.isalnum())


def type_label(kind: str) -> str:
    """A type of payload as one word."""
    return "t" + kind.replace("_", "")


def indexed(text: str) -> tuple[str, str]:
    """The words of a text, and their stems."""
    plain = folded_words(text)
    return " ".join(plain), " ".join([stem for word in plain for stem in stems(word)])


def match_of(terms: Sequence[Term], conversations: Collection[str] | None, types: Sequence[str]) -> str:
    """Messages that have all of these."""
    wanted = [_said(each) for each in terms]
    if conversations is not None and len(conversations) <= CONVERSATIONS_MOST:
        wanted.append(_labelled(map(conversation_label, conversations)))
    if types:
        wanted.append(_labelled(map(type_label, types)))
    return " AND ".join(wanted)


def people_match(terms: Sequence[Term]) -> str:
    """People who are called all of these: each word may be only begun."""
    return " AND ".join(_phrase(each) if each.phrase else f'"{each.word}" *' for each in terms)


def _said(term: Term) -> str:
    if term.phrase:
        return f"{{words}} : {_phrase(term)}"
    plain = f'{{words}} : "{term.word}"{" *" if term.is_prefix else ""}'
    if not term.stems:
        return plain
    return f"({plain} OR {{words stems}} : ({' OR '.join(map(_quoted, term.stems))}))"


def _phrase(term: Term) -> str:
    return _quoted(" ".join(term.phrase))


def _labelled(labels: Iterable[str]) -> str:
    return f"{{labels}} : ({' OR '.join(map(_quoted, labels))})"


def _quoted(words: str) -> str:
    return f'"{words}"'
