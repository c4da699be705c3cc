"""What each kind of job asks for."""

from pydantic import TypeAdapter

from biometric_flow.api.jobs import JobOrder
from biometric_flow.identity.job_kinds import NEEDED
from biometric_flow.identity.rbac import Permission
from biometric_flow.identity.roles import Roles


def test_every_kind_of_job_says_who_may_order_it() -> None:
    kinds = TypeAdapter(JobOrder).json_schema()["discriminator"]["mapping"]
    assert set(NEEDED) == set(kinds)


def test_a_technician_keeps_machines_running_and_neither_opens_doors_nor_decides_who_passes() -> None:
    held = Roles().permissions("device_technician")
    ordered = {kind for kind, permission in NEEDED.items() if permission in held}
    assert {"restart", "sync_time", "clear_log", "install_firmware"} <= ordered
    assert not ordered & {"unlock", "push_users", "set_times", "enrol_finger", "give_templates"}


def test_doors_and_people_are_for_who_answers_for_a_place() -> None:
    for permission in (Permission.DOOR_OPEN, Permission.TERMINAL_PEOPLE):
        holders = {name for name in Roles().known if permission in Roles().permissions(name)}
        assert holders == {"place_manager", "tenant_admin", "break_glass"}, "the last one for an hour, and recorded"
