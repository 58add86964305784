"""WhatsApp's templates: which there are, and whether a send fits the one that it names."""

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from ops.simulator.model import Refused

PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
NAME = re.compile(r"[a-z0-9_]{1,512}")
CATEGORIES = ("MARKETING", "UTILITY", "AUTHENTICATION")
# Kinds of component that hold words with places to fill in.
FILLED = ("HEADER", "BODY")
NOT_SENT = {"PAUSED": (132015, "Template is paused"), "DISABLED": (132016, "Template is disabled")}


class Template(Struct, frozen=True, forbid_unknown_fields=True):
    """One template in one language. `components`: as Meta lists them: type, and text with places such as {{1}}."""

    name: str
    language: str = "en_US"
    status: str = "APPROVED"
    category: str = "UTILITY"
    components: Sequence[dict[str, Any]] = ()

    def places(self, kind: str) -> list[str]:
        """The names of what is to be filled into a component."""
        return [name for each in self._of(kind) for name in PLACE.findall(str(each.get("text", "")))]

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.components if str(each.get("type", "")).upper() == kind]

    def filled(self, values: Mapping[str, str]) -> str:
        """The words of its body, for a person to read."""
        words = " ".join(str(each.get("text", "")) for each in self._of("BODY"))
        return PLACE.sub(lambda found: values.get(found[1], found[0]), words)


HELLO = Template("hello_world", components=[{"type": "BODY", "text": "Welcome and congratulations!"}])


class Templates:
    """All of an account. New accounts have hello_world."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Template] = {}
        self.set([])

    def set(self, templates: Sequence[Template]) -> None:
        """These, and hello_world, from now on."""
        self._known = {(each.name, each.language): each for each in [HELLO, *templates]}

    def create(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """One more, approved at once. Refused as Meta does when it is none, or is there already."""
        name, language, category = (given.get(each) for each in ("name", "language", "category"))
        components = given.get("components")
        fits = isinstance(name, str) and NAME.fullmatch(name) and isinstance(language, str) and category in CATEGORIES
        if not fits or not isinstance(components, list) or not any(_type_of(each) == "BODY" for each in components):
            raise Refused(100, words="Invalid parameter", subcode=2388299)
        if (name, language) in self._known:
            raise Refused(100, words="Content in this language already exists", subcode=2388024)
        self._known[str(name), str(language)] = Template(str(name), str(language), "APPROVED", str(category), components)
        return {"id": self.id_of(str(name), str(language)), "status": "APPROVED", "category": category}

    def delete(self, name: str, hsm_id: str) -> bool:
        """All of this name, or the one of this id."""
        gone = [key for key in self._known if key[0] == name and hsm_id in ("", self.id_of(*key))]
        for key in gone:
            del self._known[key]
        return bool(gone)

    def page(self, limit: int, after: str, name: str) -> dict[str, Any]:
        """Some of them, with Meta's cursors."""
        found = [each for each in self.all() if name in each["name"]]
        start = next((number + 1 for number, each in enumerate(found) if each["id"] == after), 0)
        some = found[start : start + limit]
        paging: dict[str, Any] = {"cursors": {"after": some[-1]["id"]}} if some else {}
        return {
            "data": some,
            "paging": paging | ({"next": "https://graph.facebook.com/next"} if found[start + limit :] else {}),
        }

    def all(self) -> list[dict[str, Any]]:
        """As Meta lists them."""
        return [
            {
                "id": self.id_of(each.name, each.language),
                "name": each.name,
                "language": each.language,
                "status": each.status,
                "category": each.category,
                "components": list(each.components),
            }
            for each in self._known.values()
        ]

    @staticmethod
    def id_of(name: str, language: str) -> str:
        """What Meta calls one."""
        return str(zlib.crc32(f"{name} {language}".encode()))

    def check(self, part: Mapping[str, Any]) -> str:
        """The words that a person reads. Refused when the send does not fit its template."""
        name, language = part.get("name"), part.get("language")
        code = language.get("code") if isinstance(language, dict) else None
        if not isinstance(name, str) or not isinstance(code, str):
            words = "The parameters template['name'] and template['language']['code'] are required."
            raise Refused(100, words=f"(#100) {words}", details=words)
        found = self._known.get((name, code))
        if found is None or found.status in {"REJECTED", "PENDING"}:
            raise Refused(132001, 404, details=f"template name ({name}) does not exist in {code}")
        if found.status in NOT_SENT:
            number, words = NOT_SENT[found.status]
            raise Refused(number, words=f"(#{number}) {words}", details=f"template ({name}) in {code}: {words}")
        return found.filled(_values(found, part.get("components") or []))


def _type_of(component: object) -> str:
    return str(component.get("type", "")).upper() if isinstance(component, dict) else ""


def _values(template: Template, components: Sequence[Any]) -> dict[str, str]:
    """What fills the places of the body. Refused when the counts differ, or a value cannot be shown."""
    values: dict[str, str] = {}
    for kind in FILLED:
        wanted = template.places(kind)
        texts = [each for each in _parameters(components, kind) if each.get("type", "text") == "text"] if wanted else []
        if len(texts) != len(wanted):
            counts = f"({len(texts)}) does not match the expected number of params ({len(wanted)})"
            raise Refused(132000, details=f"{kind.lower()}: number of localizable_params {counts}")
        for name, each in zip(wanted, texts, strict=True):
            values[str(each.get("parameter_name") or name)] = _value(str(each.get("text", "")))
    return values


def _parameters(components: Sequence[Any], kind: str) -> list[dict[str, Any]]:
    """What a send gives to one kind of component."""
    found = [each for each in components if isinstance(each, dict) and str(each.get("type", "")).upper() == kind]
    return [each for component in found for each in component.get("parameters") or [] if isinstance(each, dict)]


def _value(text: str) -> str:
    if not text:
        raise Refused(131008, details="Parameter of type text is missing text value")
    if "\n" in text or "\t" in text or "     " in text:
        words = "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"
        raise Refused(132018, words=f"(#132018) {words}", details=words)
    return text
