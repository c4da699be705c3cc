"""The demo's company is plausible, and the gateway would take it."""

from datetime import date, datetime, timedelta

from biometric_flow.policy.packs import read_pack, warnings
from biometric_flow.supervisor.company import PACK, Worker, company
from biometric_flow.supervisor.history import Row

MONDAY = date(2026, 3, 2)


def worker(pin: str, hours: int, off: set[int]) -> Worker:
    rows = []
    for number in range(28):
        day = MONDAY + timedelta(days=number)
        if day.isoweekday() < 6 and number not in off:
            came = datetime(day.year, day.month, day.day, 10, 5)
            rows += [Row(pin, came, "1", "0", "0"), Row(pin, came + timedelta(hours=hours), "1", "1", "0")]
    return Worker("cairo", pin, f"Person {pin}", rows)


def test_shift_leave_and_company_holidays_are_read_out_of_the_punches() -> None:
    # Everybody is away on the second Wednesday; one is also away for two days, another for one.
    found = company([worker("7", 7, {9, 14, 15}), worker("8", 9, {9, 21})], {"cairo": "Cairo plant"})
    assert found.calendars["cairo"]["holidays"] == [{"date": "2026-03-11", "name": "Company holiday"}]
    assert found.leave.splitlines()[1:] == ["C-0007,2026-03-16,2026-03-17,annual leave"]
    assert [line.split(",")[2] for line in found.assignments.splitlines()[1:]] == ["short", "long"]
    assert found.people.splitlines()[1] == "C-0007,Person 7,cairo,cairo,2026-03-02,7"


def test_its_pack_holds_without_a_warning() -> None:
    pack = read_pack(PACK)
    assert warnings(pack) == []
    assert pack.policy.overtime.holiday[0].tier == "holiday"
