"""The scope bar: an address in, what a page is about out."""

from datetime import date

from biometric_flow.dashboard.scope import DAYS_MAX, presets, read_scope, scope_view

TODAY = date(2026, 11, 23)


def test_an_address_without_days_means_the_last_seven() -> None:
    scope = read_scope({}, TODAY)

    assert (scope.first, scope.last) == (date(2026, 11, 17), TODAY)
    assert scope.places == ()


def test_what_an_address_says_comes_back_as_the_same_address() -> None:
    written = {"loc": "cairo,dhaka", "dep": "sewing", "from": "2026-10-01", "to": "2026-10-31", "q": "17"}

    assert read_scope(written, TODAY).query() == written


def test_days_in_the_wrong_order_are_turned_and_nonsense_falls_back() -> None:
    turned = read_scope({"from": "2026-11-20", "to": "2026-11-01"}, TODAY)

    assert (turned.first, turned.last) == (date(2026, 11, 1), date(2026, 11, 20))
    assert read_scope({"from": "0001-01-01", "to": "<b>"}, TODAY) == read_scope({}, TODAY)


def test_a_span_is_cut_at_its_end() -> None:
    scope = read_scope({"from": "2020-01-01", "to": "2026-01-01"}, TODAY)

    assert (scope.last - scope.first).days == DAYS_MAX


def test_presets_are_whole_months_and_the_chosen_one_is_marked() -> None:
    last_month = next((first, last) for text, first, last in presets(TODAY) if text == "Last month")
    assert last_month == (date(2026, 10, 1), date(2026, 10, 31))

    view = scope_view(read_scope({"from": "2026-10-01", "to": "2026-10-31"}, TODAY), TODAY, {}, None)
    assert [one["text"] for one in view["presets"] if one["is_chosen"]] == ["Last month"]


def test_several_locations_from_a_link_are_offered_as_what_they_are() -> None:
    view = scope_view(read_scope({"loc": "cairo,dhaka"}, TODAY), TODAY, {"cairo": "Cairo", "dhaka": "Dhaka"}, None)

    assert ["cairo,dhaka", "2 locations"] in view["fields"][0]["options"]
    assert view["fields"][0]["value"] == "cairo,dhaka"
