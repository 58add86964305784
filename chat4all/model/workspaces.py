"""Workspaces: whose everything is, and how that shows in what is stored. Pure rules; no I/O.

What has an id of its own (users, conversations, broadcasts, endpoints, saved replies) is stored under `workspace/id`; in the
workspace `default` under the bare id, as older code wrote it. So two workspaces never meet in one row, and of everything that
names one of these it is known whose it is. People and programs see bare ids only. Other ids need none: files belong to a
conversation, and a message's id means something within its own.

The same person on a channel is somebody else in each workspace: where an address means the same person is its *space*, which
stands where the channel's name does, and is that name in `default`.
"""

import re

from msgspec import Struct

from chat4all.model.ids import DEFAULT_WORKSPACE

BETWEEN = "/"
WORKSPACE_ID = re.compile(r"[a-z][a-z0-9-]{0,31}")
NAME_MOST = 128

ACTIVE, SUSPENDED, REMOVED = "active", "suspended", "removed"


class Limits(Struct, frozen=True, omit_defaults=True):
    """What a workspace may have and do at most; 0: no limit of its own. `calls`: requests a second, of all its callers."""

    accounts: int = 0
    calls: int = 0


class Workspace(Struct, frozen=True, omit_defaults=True):
    """A workspace other than `default`, which has no row. `version` grows with each change. Times are ms UTC.

    state: active, suspended (nobody may do anything in it; what was accepted goes on), or removed, for good.
    """

    workspace_id: str
    name: str = ""
    state: str = ACTIVE
    limits: Limits = Limits()
    version: int = 1
    created_at: int = 0
    changed_at: int = 0
    created_by: str = ""


def check_workspace_id(text: str) -> str:
    """The id, if a workspace may be called so. ValueError says what is wrong."""
    if text == DEFAULT_WORKSPACE or not WORKSPACE_ID.fullmatch(text):
        raise ValueError("1 to 32 characters of a-z 0-9 -, the first a letter, and not default")
    return text


def stored(workspace: str, bare_id: str) -> str:
    """What is stored under this id of a workspace. No two workspaces, and no two ids of one, have the same.

    An id with the sign between the two is nobody's: in `default` it leads to nothing that is there.
    """
    if workspace == DEFAULT_WORKSPACE and BETWEEN not in bare_id:
        return bare_id
    return f"{workspace}{BETWEEN}{bare_id}"


def workspace_of(stored_id: str) -> str:
    """Whose this is."""
    workspace, between, _ = stored_id.partition(BETWEEN)
    return workspace if between else DEFAULT_WORKSPACE


def bare(stored_id: str) -> str:
    """As its own workspace calls it."""
    _, between, rest = stored_id.partition(BETWEEN)
    return rest if between else stored_id


def everybody(stored_id: str) -> str:
    """The name of the list of everything in the workspace of this, where other lists have a reader's; "" in `default`."""
    workspace, between, _ = stored_id.partition(BETWEEN)
    return workspace + between if between else ""


def everything_of(workspace: str) -> str:
    """The same, by the workspace."""
    return "" if workspace == DEFAULT_WORKSPACE else f"{workspace}{BETWEEN}"


def further_lists(stored_id: str) -> list[str]:
    """In which lists something is beside those of readers and tags: that of all of `default` is the whole table."""
    name = everybody(stored_id)
    return [name] if name else []


def tag_list(stored_id: str, tag: str) -> str:
    """The name of the list of contacts with this tag in the workspace of this one. No tag has a blank."""
    workspace, between, _ = stored_id.partition(BETWEEN)
    return f"{workspace} {tag}" if between else tag


def space(workspace: str, channel: str) -> str:
    """Where addresses of this channel mean the same person in this workspace."""
    return stored(workspace, channel)


def space_at(stored_id: str, channel: str) -> str:
    """The same, by something of the workspace."""
    return everybody(stored_id) + channel
