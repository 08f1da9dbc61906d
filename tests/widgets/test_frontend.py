"""What Python writes for a published page."""

from __future__ import annotations

from vaelib.widgets import frontend


def test_a_state_file_is_a_call_with_bytes_in_base64():
    values = dict(curve=b"\0\xff", ghosts=[dict(curve=b"")])
    arguments = '"a/b", {"curve":{"base64":"AP8="},"ghosts":[{"curve":{"base64":""}}]}'
    assert frontend.state("a/b", values) == f"vaelibState({arguments});\n"
