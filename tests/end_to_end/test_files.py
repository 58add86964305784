"""Files through real processes: an upload that is cut, a download, and memory."""

from pathlib import Path

import pytest

from ops.files.__main__ import try_on
from ops.files.stacks import Stack, on_real
from ops.files.trial import SHORT
from ops.harness.servers import secrets_of


@pytest.fixture(params=["folder", pytest.param("real", marks=pytest.mark.real)])
def stack(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The embedded parts with a folder, and the real servers."""
    if request.param == "folder":
        return Stack("folder", {}, {})
    found = on_real(request.getfixturevalue("servers"))
    for name, value in secrets_of(found.env).items():
        monkeypatch.setenv(name, value)
    return found


@pytest.mark.end_to_end
@pytest.mark.timeout(600)
def test_an_upload_that_is_cut_goes_on_and_memory_stays_flat(stack: Stack, tmp_path: Path) -> None:
    """384 MB with the client, the gateway and MinIO killed: nothing that was taken is sent again, and sha256 is equal."""
    report = try_on(stack, SHORT, tmp_path)
    assert report.wrong() == [], report
    assert len(report.cuts) == SHORT.cuts
