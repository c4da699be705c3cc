from biometric_flow.api.gateway import Arrivals
from biometric_flow.dashboard.charts import CHART_HEIGHT, CHART_WIDTH, SPARK_HEIGHT, arrivals, sparkline


def quarter(index: int, today: int = 0, median: float | None = None) -> Arrivals:
    return Arrivals(time=f"{index // 4:02d}:{index % 4 * 15:02d}", today=today, median=median)


def day(today: dict[int, int], median: dict[int, float] | None = None) -> list[Arrivals]:
    return [quarter(i, today.get(i, 0), None if median is None else median.get(i, 0)) for i in range(96)]


def test_a_day_without_arrivals_or_history_draws_nothing() -> None:
    assert arrivals([]) is None
    assert arrivals(day({})) is None


def test_every_quarter_hour_with_people_has_one_bar_inside_the_figure() -> None:
    chart = arrivals(day({32: 7, 33: 20, 36: 1}))

    assert chart is not None
    assert len(chart["bars"]) == 3
    for x, y, width, height in chart["bars"]:
        assert 0 <= x <= x + width <= CHART_WIDTH
        assert 0 <= y <= y + height <= CHART_HEIGHT


def test_bars_are_as_long_as_their_numbers() -> None:
    chart = arrivals(day({32: 5, 33: 20}))

    assert chart is not None
    (_, _, _, five), (_, _, _, twenty) = chart["bars"]
    assert abs(twenty - 4 * five) < 0.05


def test_the_usual_day_is_an_outline_only_when_there_is_history() -> None:
    without, with_history = arrivals(day({32: 5})), arrivals(day({32: 5}, {32: 6.5}))

    assert without is not None
    assert without["outline"] == ""
    assert with_history is not None
    assert with_history["outline"].startswith("M")


def test_the_table_says_the_same_numbers_as_the_bars() -> None:
    chart = arrivals(day({32: 5, 34: 2}, {32: 6.5}))

    assert chart is not None
    assert chart["table"]["rows"] == [["08:00", "5", "6.5"], ["08:30", "2", "0"]]


def test_the_sentence_names_the_busiest_quarter_hour() -> None:
    chart = arrivals(day({32: 5, 34: 12}))

    assert chart is not None
    assert chart["alt"] == "17 people have arrived today; most of them, 12, in the quarter hour from 08:30."


def test_one_early_arrival_still_leaves_a_readable_width() -> None:
    chart = arrivals(day({0: 1}))

    assert chart is not None
    assert chart["bars"][0][2] < CHART_WIDTH / 10


def test_a_sparkline_ends_with_today_and_says_so() -> None:
    spark = sparkline([4, 10, 6])

    assert spark is not None
    assert spark["alt"] == "Last 3 days: lowest 4, highest 10, today 6"
    assert spark["bars"][1][3] == SPARK_HEIGHT
    assert all(y + height <= SPARK_HEIGHT + 0.01 for _, y, _, height in spark["bars"])


def test_a_sparkline_of_nobody_is_flat_and_of_nothing_is_absent() -> None:
    flat = sparkline([0, 0])

    assert flat is not None
    assert {height for *_, height in flat["bars"]} == {1.0}
    assert sparkline([]) is None


def test_the_axis_is_labelled_with_whole_numbers_just_above_the_longest_bar() -> None:
    for most, top in ((1, "4"), (5, "6"), (13, "16"), (21, "40"), (110, "120")):
        chart = arrivals(day({32: most}))
        assert chart is not None
        low, half, high = (line["label"] for line in chart["grid"])
        assert (low, high) == ("0", top)
        assert int(half) * 2 == int(high)
