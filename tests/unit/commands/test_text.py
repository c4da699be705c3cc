import pytest

from biometric_flow.commands.text import shown, table, width


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("Amina", "Amina"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("a\r\nb\tc", "a\\x0d\\x0ab\\x09c"),
        ("abc\u202edcba", "abc\\u202edcba"),
        ("\u2066x\u2069\ufeff", "\\u2066x\\u2069\\ufeff"),
        ("\x9b31m", "\\x9b31m"),
        ("C:\\x", "C:\\\\x"),
        ("\U000e0041", "\\U000e0041"),
        ("小明 أمينة é", "小明 أمينة é"),
        ("علی\u200cرضا", "علی\u200cرضا"),
        ("张\u3000三", "张\u3000三"),
    ],
)
def test_what_moves_the_cursor_or_turns_the_line_is_shown_as_an_escape(raw: str, safe: str) -> None:
    assert shown(raw) == safe


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("小明", 4), ("é", 1), ("e\u0301", 1), ("ｱ", 1), ("Ａ", 2)])
def test_width_is_in_columns_of_a_screen(text: str, columns: int) -> None:
    assert width(text) == columns


def test_columns_stand_under_each_other_whatever_the_script() -> None:
    lines = list(table(("PIN", "NAME", "CARD"), [("7", "小明", "1"), ("12", "e\u0301a", "22")], right=(0,)))
    assert lines == ["PIN  NAME  CARD", "  7  小明  1", " 12  e\u0301a    22"]


def test_on_a_screen_a_word_from_right_to_left_turns_only_itself() -> None:
    assert list(table(("A", "B"), [("أمينة", "7")], isolate=True))[1] == "\u2068أمينة\u2069  7"
    assert list(table(("A", "B"), [("أمينة", "7")]))[1] == "أمينة  7"
    assert list(table(("A",), [("\u2069\u202ex",)], isolate=True))[1] == "\\u2069\\u202ex"
