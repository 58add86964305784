"""Tells readers what became of a file."""

from chat4all.model.events import encode
from chat4all.model.files import StoredFile
from chat4all.services.files.file_events import file_event
from chat4all.services.files.file_lifecycle import FileLifecycle
from tasks.resources import Parts

APPEND_S = 5.0


def tell(opened: Parts, file: StoredFile | None) -> None:
    """Publish what is untold of it, then note that it was. Who dies in between leaves it to the sweep, which says the same."""
    if file is None or not file.untold:
        return
    opened.log.append([encode(file_event(file, opened.partitions))], APPEND_S)
    FileLifecycle(opened.store, opened.objects, opened.settings).announced(file)
