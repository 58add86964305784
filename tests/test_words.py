"""One word for each thing: the glossary's words are used in the code, and the private words that they replaced are not."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("chat4all", "tasks", "bridges", "webapp", "storage")
GLOSSARY = ROOT / "docs" / "glossary.md"
MOST_WORDS = 45

# Bare names that say nothing of the thing, whatever they name. The glossary or the decision "shape" has the word to use.
NAMES = frozenset(
    {
        "brought",
        "bylot",
        "committer",
        "courier",
        "desk",
        "discreet",
        "doubts",
        "draught",
        "excuses",
        "filing",
        "gathering",
        "heart",
        "held",
        "parcel",
        "past",
        "poke",
        "poked",
        "shelf",
        "told",
        "visitor",
    }
)
MODULES = frozenset(
    {
        "accepting",
        "alive",
        "announcing",
        "answers",
        "attaching",
        "behind",
        "checks",
        "claims",
        "committer",
        "counting",
        "courier",
        "entering",
        "exposing",
        "fetching",
        "filing",
        "gate",
        "gathering",
        "heart",
        "letters",
        "limiting",
        "loose",
        "measuring",
        "moving",
        "parts",
        "past",
        "placing",
        "poking",
        "reaching",
        "redacting",
        "repeating",
        "replays",
        "reruns",
        "retired",
        "told",
        "under_way",
        "words",
    }
)
# The parts of a system, as the supervisor starts them: there the word is meant.
EXCEPTIONS = frozenset({"chat4all/cli/parts.py"})


def _sources() -> list[Path]:
    """The service's modules, without what protoc generates."""
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [path for path in found if "_pb2" not in path.name]


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of everything that is given a name there: classes, functions, arguments, variables, attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr
            case ast.alias(asname=str(name)):
                yield node.lineno, name


@cache
def _given() -> frozenset[tuple[str, int, str]]:
    """(file, line, name) of all names of the service."""
    return frozenset(
        (str(path.relative_to(ROOT)), line, name)
        for path in _sources()
        for line, name in _names(ast.parse(path.read_text(encoding="utf-8")))
    )


def _glossary() -> list[str]:
    """Its words, in their order."""
    return re.findall(r"^- \*\*(\w+)\*\*: \S", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)


def test_private_words_do_not_come_back_as_names() -> None:
    """A reader who knows the field would have to learn them; the field has a word for each."""
    back = sorted(f"{file}:{line} {name}" for file, line, name in _given() if name.strip("_").lower() in NAMES)
    assert back == []


def test_private_words_do_not_come_back_as_modules() -> None:
    """A module is named for what is in it, not for what somebody does there."""
    files = [path.relative_to(ROOT) for path in _sources()]
    assert [str(file) for file in files if file.stem in MODULES and str(file) not in EXCEPTIONS] == []


@pytest.mark.parametrize("name", ["told", "_told", "Told"])
@pytest.mark.parametrize(
    "code", ["{} = 1", "def {}(): ...", "class {}: ...", "def f({}): ...", "self.{} = 1", "import x as {}"]
)
def test_whatever_is_given_a_forbidden_name_is_found(code: str, name: str) -> None:
    """By every way in which Python gives a name."""
    assert name in [found for _, found in _names(ast.parse(code.format(name)))]


def test_the_glossary_is_short_and_in_order() -> None:
    """So short that it is read: one line for each word, by the alphabet."""
    words = _glossary()
    lines = [line for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if line.startswith("- ")]
    assert len(words) == len(lines) <= MOST_WORDS
    assert words == sorted(set(words))


@pytest.mark.parametrize("word", _glossary())
def test_the_code_uses_each_word_of_the_glossary(word: str) -> None:
    """As a name or a part of one, in the singular or the plural."""
    plural = word[:-1] + "ies" if word.endswith("y") else word + "s"
    form = re.compile(rf"(^|_)({word}|{plural})(_|$)")
    spoken = (re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() for _, _, name in _given())
    modules = (path.stem for path in _sources())
    assert any(form.search(name) for name in (*spoken, *modules)), f"nothing is named {word}"
