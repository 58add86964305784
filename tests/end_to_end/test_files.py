"""Files through real processes: an upload that is cut, a download, and memory."""

import pytest

from ops.files.__main__ import PLANS, try_out


@pytest.mark.end_to_end
@pytest.mark.timeout(600)
def test_an_upload_that_is_cut_goes_on_and_memory_stays_flat() -> None:
    """64 MB with the client and the gateway killed: nothing that was taken is sent again, and sha256 is equal."""
    report = try_out("folder", PLANS["short"])
    assert report.is_good(), report
