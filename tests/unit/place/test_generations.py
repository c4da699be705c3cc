import pytest

from biometric_flow.place.collector import began_anew
from biometric_flow.place.store import Cursor
from biometric_flow.zk.wire.records import AttendanceLog
from tests.builders import MOMENT

FULL = 1000


@pytest.mark.parametrize(
    ("generation", "expected_rows", "held", "continues", "limit", "anew"),
    [
        (0, 0, 50, None, FULL, True),
        (1, 50, 50, None, FULL, False),
        (1, 50, 49, None, FULL, True),
        (1, 50, 80, True, FULL, False),
        (1, 50, 80, False, FULL, True),
        (1, FULL + 3, FULL, True, FULL, False),
        (1, FULL + 3, FULL, False, FULL, True),
        (1, FULL + 3, FULL, True, 0, False),
        (1, 50, 20, True, FULL, True),
    ],
    ids=[
        "never seen", "same", "shrank", "grew", "cleared and refilled", "wrapped", "wrapped past what we knew",
        "wrapped without a limit", "lost rows in its middle",
    ],
)  # fmt: skip
def test_a_list_that_is_another_begins_a_generation(
    generation: int, expected_rows: int, held: int, continues: bool | None, limit: int, anew: bool
) -> None:
    log = AttendanceLog([], [], None, skipped=held, continues=continues)
    assert began_anew(Cursor(generation, expected_rows, MOMENT), log, limit) is anew
