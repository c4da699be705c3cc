"""Who is on a terminal that dials: asked for, compared with who should be, made so, and asked for again."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from biometric_flow.api.jobs import PushUsers
from biometric_flow.place.enrolments import Plan, open_differences, plan
from biometric_flow.place.errors import JobFailed
from biometric_flow.place.push.hand import Hand
from biometric_flow.zk.errors import ProtocolViolation
from biometric_flow.zk.push import commands as zk
from biometric_flow.zk.push.people import PushedUser
from biometric_flow.zk.push.text import PushProtocol
from biometric_flow.zk.wire.rows import RejectedRow
from biometric_flow.zk.wire.users import UserList, UserRecord

AT_ONCE: Final = 100
"""Commands handed over between two looks at the queue."""


_NOBODY: Final = frozenset({-1, -4})
"""How terminals answer a question to which there is no row."""


async def read_people(hand: Hand, step: str) -> UserList:
    """Everybody the terminal knows. Raises JobFailed when it told of fewer than it says it holds."""
    now, key = hand.at.clock.now(), hand.entry.key
    with hand.hearings.listening(key) as heard:
        result = await hand.do(zk.QueryUsers(), step, _NOBODY)
        if hand.speaks_security:
            await hand.do(zk.QueryTable("userauthorize"), f"{step}-times", _NOBODY)
    # What it says with each poll is newer than this question; the result of an access terminal is a count as well.
    told = hand.at.health.condition(key, now).capacity.users
    wanted = max(told, result.code) if hand.speaks_security else told
    if len(heard.people) < wanted:
        raise JobFailed(f"expected {wanted} people as the terminal says, {len(heard.people)} were told; try again")
    users = UserList([], [], None)
    for one in heard.people.values():
        try:
            record = one.record()
        except ProtocolViolation as problem:
            users.rejected.append(RejectedRow(one.pin.encode(), str(problem)))
            continue
        zone, _ = heard.authorized.get(one.pin, (0, 0))
        if hand.speaks_security:
            record = replace(record, own_timezones=bool(zone), timezones=(zone, 0, 0))
        users.records.append(record)
    hand.hearings.people[key] = users, now
    hand.hearings.untold[key] = frozenset(one.pin for one in heard.people.values() if one.password is None)
    return users


async def push_users(hand: Hand, order: PushUsers) -> str:
    """Make the terminal hold who should be on it; what counts is what it says afterwards."""
    made = await _planned(hand, await read_people(hand, "before"))
    wishes = await hand.at.writer.call(hand.at.enrolments.of, hand.entry.key)
    passwords = {wish.pin: wish.password for wish in wishes if wish.password is not None}
    # What it keeps and does not tell must not be overwritten by an empty one.
    kept = hand.hearings.untold[hand.entry.key] - set(passwords)
    gone = [*made.delete, *(made.delete_foreign if order.delete_foreign else [])]
    orders = [
        *(
            one
            for record in made.write
            for one in _written(record, hand.protocol, keeps_password=record.user_id in kept)
        ),
        *(one for record in gone for one in _deleted(record.user_id, hand.protocol)),
    ]
    for start in range(0, len(orders), AT_ONCE):
        await hand.do_all(orders[start : start + AT_ONCE], f"write-{start}")
    left = await _planned(hand, _assumed(hand, await read_people(hand, "after"), passwords))
    still_there = {one.pin for one in left.differences if one.kind == "unwanted"}
    forgotten = [one.pin for one in made.differences if one.kind == "unwanted" and one.pin not in still_there]
    await hand.at.writer.call(hand.at.enrolments.forget, hand.entry.key, forgotten)
    open_differences(left, delete_foreign=order.delete_foreign)
    return f"{len(made.write)} written, {len(gone)} deleted"


async def _planned(hand: Hand, users: UserList) -> Plan:
    return plan(await hand.at.writer.call(hand.at.enrolments.of, hand.entry.key), users, hand.entry.encoding)


def _assumed(hand: Hand, users: UserList, passwords: Mapping[str, str]) -> UserList:
    """The same, with the passwords that were written to a terminal which took them and does not tell any."""
    untold = hand.hearings.untold[hand.entry.key]
    users.records[:] = [
        replace(one, password=passwords.get(one.user_id, "")) if one.user_id in untold else one for one in users.records
    ]
    return users


def _written(record: UserRecord, protocol: PushProtocol, *, keeps_password: bool) -> Iterator[zk.Command]:
    user = replace(PushedUser.of_record(record), group=record.group or 1)
    if keeps_password:
        user = replace(user, password=None)
    yield zk.SetUser(user)
    if protocol is PushProtocol.SECURITY:
        yield zk.Deauthorize(user.pin)
        if record.own_timezones and any(record.timezones):
            yield zk.Authorize(user.pin, next(filter(None, record.timezones)))


def _deleted(pin: str, protocol: PushProtocol) -> Iterator[zk.Command]:
    if protocol is PushProtocol.SECURITY:
        yield zk.Deauthorize(pin)
    yield zk.DeleteUser(pin)
