"""A store and a log that do not belong together are refused at the start."""

from pathlib import Path

import pytest

from chat4all.model.failures import Mismatch
from chat4all.model.records import INCOMING
from chat4all.settings import Settings
from tasks.resources import open_parts
from tests.tasks.world import message, new_id, world

CONVERSATION = new_id("conversation", 1)


def test_the_same_folder_opens_again(tmp_path: Path) -> None:
    """A second start finds what the first one left."""
    with world(tmp_path) as first:
        first.say(message(CONVERSATION, 1))
        first.run()
    with world(tmp_path) as second:
        assert len(second.store.page(CONVERSATION, None, None, 10)) == 1


def test_another_log_is_refused(tmp_path: Path) -> None:
    """The same store with a log that was made anew: its offsets mean other messages."""
    with world(tmp_path):
        pass
    with pytest.raises(Mismatch, match="topic_changed"):
        open_parts(Settings(data=tmp_path, log="sqlite:another"))


def test_a_log_that_ends_before_progress_is_refused(tmp_path: Path) -> None:
    """A log that was restored from an old copy lost what the store counts on."""
    with world(tmp_path) as first:
        first.store.raise_progress(INCOMING, {0: 41})
    with pytest.raises(Mismatch, match="log_shorter"):
        open_parts(Settings(data=tmp_path))


def test_another_partition_count_is_refused(tmp_path: Path) -> None:
    """Conversations would change their partition, and with it their order."""
    with world(tmp_path, partitions=4):
        pass
    with pytest.raises(Mismatch):
        open_parts(Settings(data=tmp_path, partitions=5))
