"""Keeps whoever is in `default` within it. Ids there have no sign of a workspace in them, so little is to be looked at."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chat4all.model.ids import DEFAULT_WORKSPACE
from chat4all.model.workspaces import BETWEEN
from chat4all.services.workspaces.naming import FIELDS, Foreign, Naming

_naming = Naming(DEFAULT_WORKSPACE)


def _asked(ask: Callable[..., Any], ids: Sequence[str], *more: Any, **named: Any) -> Any:
    """By these ids, of which others lead to nothing."""
    own = [each for each in ids if BETWEEN not in each] if any(BETWEEN in each for each in ids) else ids
    return ask(own, *more, **named)


def _one(ask: Callable[..., Any], given: str) -> Any:
    return None if BETWEEN in given else ask(given)


def _some(ask: Callable[..., Any], *given: Any) -> Any:
    return [each for each in ask(*given) if _is_own(each)]


def _by_key(ask: Callable[..., Any], *given: Any) -> Any:
    return {key: each for key, each in ask(*given).items() if _is_own(each)}


def _any(ask: Callable[..., Any], *given: Any) -> Any:
    try:
        return _naming.outward(ask(*given))
    except Foreign:
        return None


def _is_own(found: Any) -> bool:
    return BETWEEN not in getattr(found, FIELDS[type(found)][0])


# By these somebody of `default` could come beyond it: by an id that another workspace's is stored under, or by a list of all.
GUARDS: Mapping[str, Callable[..., Any]] = {
    "users": _asked,
    "memberships": _asked,
    "webhook": _one,
    "broadcast": _one,
    "places_of": _some,
    "saved_replies": _some,
    "recoveries": _some,
    "files": _by_key,
    "deliveries": _by_key,
    "account": _any,
    "app": _any,
    "kept_webhook": _any,
}
