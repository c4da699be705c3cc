from dataclasses import replace

from biometric_flow.place.enrolments import Enrolment, plan
from biometric_flow.zk.wire.users import USER_LAYOUTS, UserList, UserRecord

AMINA = UserRecord(4, "7", "Amina", card=99, group=1, timezones=(0, 0, 0))


def on_terminal(*users: UserRecord, layout: str = "72") -> UserList:
    return UserList(list(users), [], USER_LAYOUTS[layout])


def wish(pin: str = "7", **wanted: object) -> Enrolment:
    return replace(Enrolment("gate", pin, "Amina", card=99), **wanted)  # type: ignore[arg-type]


def told(*wishes: Enrolment, users: UserList) -> list[tuple[str, str, list[str]]]:
    return [(one.pin, one.kind, one.fields) for one in plan(wishes, users, "utf-8").differences]


def test_a_terminal_that_is_as_it_should_be_has_no_differences() -> None:
    assert told(wish(), users=on_terminal(AMINA)) == []


def test_a_name_that_the_record_cuts_is_no_difference() -> None:
    long = "Amina Bint Hassan Al Masri Of Cairo"
    assert told(wish(name=long), users=on_terminal(replace(AMINA, name=long[:24]))) == []
    assert told(wish(name=long), users=on_terminal(replace(AMINA, name=long[:8]), layout="28")) == []


def test_somebody_missing_is_written_with_a_uid_of_the_terminals_choice() -> None:
    made = plan([wish("8")], on_terminal(AMINA), "utf-8")
    assert [(record.uid, record.user_id) for record in made.write] == [(0, "8")]


def test_what_differs_is_named_and_the_rest_of_the_record_kept() -> None:
    held = replace(AMINA, password="4711", timezones=(1, 2, 3), own_timezones=True)
    made = plan([wish(card=100, privilege=14)], on_terminal(held), "utf-8")
    assert made.differences[0].fields == ["privilege", "card"]
    assert made.write == [replace(held, card=100, privilege=14)]


def test_a_password_is_compared_only_where_one_is_managed() -> None:
    held = replace(AMINA, password="4711")
    assert told(wish(), users=on_terminal(held)) == []
    assert told(wish(password="1234"), users=on_terminal(held)) == [("7", "differs", ["password"])]
    assert told(wish(password=""), users=on_terminal(held)) == [("7", "differs", ["password"])]


def test_those_whom_the_place_never_put_there_are_told_and_not_among_those_to_delete() -> None:
    made = plan([wish(is_wanted=False)], on_terminal(AMINA, UserRecord(9, "12", "Guest")), "utf-8")
    assert [(one.pin, one.kind) for one in made.differences] == [("7", "unwanted"), ("12", "foreign")]
    assert ([user.uid for user in made.delete], [user.uid for user in made.delete_foreign]) == ([4], [9])


def test_opening_times_are_compared_only_where_they_are_managed() -> None:
    held = replace(AMINA, own_timezones=True, timezones=(2, 0, 0))
    assert told(wish(), users=on_terminal(held)) == []
    assert told(wish(zones=(2,)), users=on_terminal(held)) == []
    assert told(wish(zones=()), users=on_terminal(held)) == [("7", "differs", ["zones"])]
    made = plan([wish(zones=(2, 5))], on_terminal(AMINA), "utf-8")
    assert (made.write[0].own_timezones, made.write[0].timezones) == (True, (2, 5, 0))


def test_opening_times_of_a_short_record_are_a_bit_mask_of_sixteen() -> None:
    short = replace(AMINA, timezones=(0,))
    (written,) = plan([wish(zones=(1, 3))], on_terminal(short, layout="28"), "utf-8").write
    assert written.timezones == (0b101,)
    assert told(wish(zones=(1, 3)), users=on_terminal(written, layout="28")) == []
    assert told(wish(zones=(17,)), users=on_terminal(short, layout="28")) == [("7", "impossible", [])]


def test_what_a_record_cannot_hold_is_said_without_telling_the_password() -> None:
    made = plan([wish("A7"), wish(password="123456")], on_terminal(AMINA, layout="28"), "utf-8")
    assert [(one.pin, one.kind) for one in made.differences[:2]] == [("A7", "impossible"), ("7", "impossible")]
    assert made.write == []
    assert "123456" not in str(made.differences)
