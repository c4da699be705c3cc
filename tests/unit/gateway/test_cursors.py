"""Cursors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biometric_flow.gateway.routes.cursors import CursorInvalid, read_cursor, write_cursor


@given(st.text(max_size=40), st.integers(-(2**63) + 1, 2**63 - 1))
def test_a_cursor_comes_back_as_it_was(text: str, number: int) -> None:
    assert read_cursor(write_cursor(text, number), str, int) == [text, number]


@given(st.text(max_size=60))
def test_anything_else_is_refused_with_one_error(text: str) -> None:
    with pytest.raises(CursorInvalid):
        read_cursor(text, str, int, str, int)


def test_a_number_that_no_position_can_be_is_refused() -> None:
    with pytest.raises(CursorInvalid):
        read_cursor(write_cursor(2**80), int)
