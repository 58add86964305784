"""WhatsApp's interactive messages: buttons, lists, links and flows, with the limits that Meta keeps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ops.simulator.model import Refused

Part = Mapping[str, Any]
Content = dict[str, Any]

BODY = {"button": 1024, "list": 4096, "cta_url": 1024, "flow": 1024}
HEADER, FOOTER = 60, 60
BUTTONS, BUTTON_LENGTH, BUTTON_ID = 3, 20, 256
ROWS, ROW_LENGTH, ROW_ID, DESCRIPTION = 10, 24, 200, 72
SECTIONS, SECTION_LENGTH = 10, 24
LINK_SCHEMES = ("https://", "http://")
FLOW_VERSION = "3"


def wrong(details: str) -> Refused:
    """A value that is not as it must be."""
    return Refused(131009, details=details)


def read(part: Part) -> Content:
    """What is shown to the person. Refused with Meta's code where a limit is not kept."""
    kind, action = part.get("type"), part.get("action")
    if not isinstance(kind, str) or kind not in ACTIONS:
        names = ", ".join(sorted(ACTIONS))
        raise Refused(100, words=f"(#100) Param interactive['type'] must be one of {{{names}}} - got {str(kind)[:40]!r}.")
    if not isinstance(action, dict):
        raise wrong("The parameter interactive['action'] is required.")
    shown: Content = {"text": words(_of(part, "body"), "text", 1, BODY[kind], "interactive['body']['text']")}
    if part.get("header") is not None:
        shown |= _header(kind, _of(part, "header"))
    if part.get("footer") is not None:
        shown["footer"] = words(_of(part, "footer"), "text", 1, FOOTER, "interactive['footer']['text']")
    return ACTIONS[kind](action) | shown


def words(part: Part, name: str, least: int, most: int, called: str) -> str:
    """A text with so many characters. Refused when it is none, or has fewer or more."""
    text = part.get(name, "")
    if not isinstance(text, str) or not least <= len(text.strip()) <= len(text) <= most:
        raise wrong(f"{called} length invalid. Min length: {least}, Max length: {most}")
    return text


def _of(part: Part, name: str) -> Part:
    found = part.get(name)
    if not isinstance(found, dict):
        raise wrong(f"The parameter interactive['{name}'] is required.")
    return found


def _parts(part: Part, name: str, most: int) -> Sequence[Part]:
    found = part.get(name)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found) or not 1 <= len(found) <= most:
        raise wrong(f"Invalid {name} count. Min allowed {name}: 1, Max allowed {name}: {most}")
    return found


def _once(values: Sequence[str], called: str) -> None:
    if len(set(values)) < len(values):
        raise wrong(f"Duplicated {called} are not allowed")


def _header(kind: str, header: Part) -> Content:
    if header.get("type") == "text":
        return {"header": words(header, "text", 1, HEADER, "interactive['header']['text']")}
    if kind == "list" or header.get("type") not in {"image", "video", "document"}:
        raise wrong("interactive['header']['type'] is invalid")
    return {}


def _buttons(action: Part) -> Content:
    options = [_reply(each) for each in _parts(action, "buttons", BUTTONS)]
    _once([each["title"] for each in options], "button titles")
    _once([each["id"] for each in options], "button ids")
    return {"type": "choices", "style": "buttons", "options": options}


def _reply(button: Part) -> Content:
    reply = button.get("reply")
    if button.get("type") != "reply" or not isinstance(reply, dict):
        raise wrong("Button type must be reply")
    return {
        "id": words(reply, "id", 1, BUTTON_ID, "Button id"),
        "title": words(reply, "title", 1, BUTTON_LENGTH, "Button title"),
    }


def _list(action: Part) -> Content:
    label = words(action, "button", 1, BUTTON_LENGTH, "Button label")
    sections = _parts(action, "sections", SECTIONS)
    options = [row for each in sections for row in _section(each, len(sections) > 1)]
    if len(options) > ROWS:
        raise wrong(f"Total row count exceed max allowed count: {ROWS}")
    _once([each["id"] for each in options], "row ids")
    return {"type": "choices", "style": "list", "button": label, "options": options}


def _section(section: Part, among_others: bool) -> list[Content]:
    title = words(section, "title", 1 if among_others else 0, SECTION_LENGTH, "Section title")
    return [_row(each) | ({"section": title} if title else {}) for each in _parts(section, "rows", ROWS)]


def _row(row: Part) -> Content:
    found = {"id": words(row, "id", 1, ROW_ID, "Row id"), "title": words(row, "title", 1, ROW_LENGTH, "Row title")}
    description = words(row, "description", 0, DESCRIPTION, "Row description")
    return found | ({"description": description} if description else {})


def _link(action: Part) -> Content:
    parameters = _parameters(action, "cta_url")
    title, url = words(parameters, "display_text", 1, BUTTON_LENGTH, "Display text"), parameters.get("url")
    if not isinstance(url, str) or not url.startswith(LINK_SCHEMES):
        raise wrong("URL is invalid")
    return {"type": "choices", "style": "buttons", "links": [{"title": title, "url": url}]}


def _flow(action: Part) -> Content:
    parameters = _parameters(action, "flow")
    if parameters.get("flow_message_version") != FLOW_VERSION:
        raise wrong(f"flow_message_version must be {FLOW_VERSION}")
    flow = parameters.get("flow_id") or parameters.get("flow_name")
    if not flow:
        raise wrong("One of flow_id and flow_name is required")
    opening = parameters.get("flow_action_payload") or {}
    if parameters.get("flow_action") == "navigate" and not (isinstance(opening, dict) and opening.get("screen")):
        raise wrong("flow_action_payload['screen'] is required")
    shown = {"type": "form", "flow_id": str(flow), "button": words(parameters, "flow_cta", 1, BUTTON_LENGTH, "flow_cta")}
    given = {"token": parameters.get("flow_token"), "screen": opening.get("screen"), "data": opening.get("data")}
    return shown | {name: value for name, value in given.items() if value}


def _parameters(action: Part, name: str) -> Part:
    parameters = action.get("parameters")
    if action.get("name") != name or not isinstance(parameters, dict):
        raise wrong(f"interactive['action'] must have the name {name} and parameters")
    return parameters


ACTIONS: dict[str, Callable[[Part], Content]] = {"button": _buttons, "list": _list, "cta_url": _link, "flow": _flow}
