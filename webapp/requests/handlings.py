"""How a conversation is to be handled, as a request says it and an answer shows it."""

from typing import Any

from msgspec.structs import replace

from chat4all.model.clock import DAY_MS, from_rfc3339, rfc3339
from chat4all.model.conversations import UserKind
from chat4all.model.handling import LABEL, LABELS_MOST, OPEN, SNOOZED, SNOOZED_DAYS_MOST, Handling
from webapp.requests.gateway import caller, gateway
from webapp.requests.problems import Problem

NEEDED = "state, assignee, labels and the like need a service client with scope manage"


def check_team() -> None:
    """Problem 403 for who is not of those who answer."""
    if not caller().is_team:
        raise Problem(403, "scope_needed", NEEDED)


def shown(handling: Handling) -> dict[str, Any]:
    """For an answer to those who answer."""
    until = {"snoozed_until": rfc3339(handling.snoozed_until)} if handling.snoozed_until else {}
    return {
        "state": handling.state,
        **until,
        "assignee": handling.assignee,
        "priority": handling.priority,
        "labels": list(handling.labels),
        "handler": handling.handler,
        "handling_version": handling.version,
    }


def wanted(there: Handling, given: dict[str, Any], last_seq: int, now: int) -> Handling:
    """The handling after a change that was asked for at `now`. Problem 409, 422: it is not possible, and why."""
    version = given.get("handling_version")
    if version is not None and version != there.version:
        raise Problem(409, "handling_changed", f"it is at version {there.version} now: look, and say it again", **shown(there))
    state = given.get("state") or there.state
    changed = replace(
        there,
        state=state,
        snoozed_until=_until(there, given, state, now),
        seen_up_to=_seen(there, given, state, last_seq),
        assignee=(given["assignee"] or "") if "assignee" in given else there.assignee,
        priority=(given["priority"] or "normal") if "priority" in given else there.priority,
        labels=_labels(given["labels"] or []) if "labels" in given else there.labels,
        handler=(given["handler"] or "nobody") if "handler" in given else there.handler,
    )
    if changed == there:
        return there
    return replace(changed, changed_at=now, changed_by=caller().user_id, **there.moved(state, now))


def check_assignee(user_id: str) -> None:
    """Problem 422 unless it is somebody who can answer."""
    known = gateway().people.users([user_id]).get(user_id)
    if known is None or known.kind not in (UserKind.PERSON, UserKind.CLIENT):
        raise Problem(422, "unknown_user", "there is no such user, or it cannot answer", "assignee")


def _seen(there: Handling, given: dict[str, Any], state: str, last_seq: int) -> int:
    """The seq up to which the team has seen it. It never falls while it stays closed or snoozed."""
    seen = given.get("seen_up_to")
    if state == OPEN:
        if seen is not None:
            raise Problem(422, "invalid", "only with state snoozed or closed", "seen_up_to")
        return there.seen_up_to
    if not given.get("state"):
        return there.seen_up_to
    return max(seen if seen is not None else last_seq, 0 if there.is_open else there.seen_up_to)


def _until(there: Handling, given: dict[str, Any], state: str, now: int) -> int:
    text = given.get("snoozed_until")
    if state != SNOOZED:
        if text is not None:
            raise Problem(422, "invalid", "only with state snoozed", "snoozed_until")
        return 0
    if text is None:
        if "snoozed_until" not in given and there.state == SNOOZED:
            return there.snoozed_until
        raise Problem(422, "invalid", "with state snoozed: when it is open again", "snoozed_until")
    try:
        until = from_rfc3339(text)
    except ValueError:
        raise Problem(422, "invalid", "a time such as 2026-03-01T12:00:00Z", "snoozed_until") from None
    if until == there.snoozed_until:
        return until
    if not now < until <= now + SNOOZED_DAYS_MOST * DAY_MS:
        raise Problem(422, "invalid", f"a time to come, within {SNOOZED_DAYS_MOST} days", "snoozed_until")
    return until


def _labels(given: list[str]) -> tuple[str, ...]:
    labels = tuple(sorted(set(given)))
    if len(labels) > LABELS_MOST or not all(LABEL.fullmatch(each) for each in labels):
        raise Problem(
            422, "invalid", f"at most {LABELS_MOST} labels of 1 to 50 characters, without blanks and commas", "labels"
        )
    return labels
