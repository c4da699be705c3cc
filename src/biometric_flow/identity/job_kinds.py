"""Which permission each kind of job asks for beside `terminal:operate`: an unlock is not a clock setting. Pure."""

from collections.abc import Mapping
from typing import Final

from biometric_flow.identity.rbac import Permission

_EVERYDAY: Final = (
    "sync_time restart pull_again check send_new info query_punches count_punches read_options show_message"
    " delete_message cancel_alarm"
)
"""Nothing is lost by them, nobody is let in: `terminal:operate` is enough."""
_DOORS: Final = "unlock"
_PEOPLE: Final = (
    "push_users set_times set_access_group set_combination set_holiday set_holiday_date enrol_finger enrol_biometric"
    " enrol_card delete_templates give_templates take_templates"
)
"""Who may pass and when, and what terminals know of people's bodies."""
_UPKEEP: Final = "clear_log clear_photos clear_all set_comm_key set_option install_file install_firmware"
"""What changes or empties the machine itself."""

NEEDED: Final[Mapping[str, Permission]] = {
    kind: permission
    for kinds, permission in (
        (_EVERYDAY, Permission.TERMINAL_OPERATE),
        (_DOORS, Permission.DOOR_OPEN),
        (_PEOPLE, Permission.TERMINAL_PEOPLE),
        (_UPKEEP, Permission.TERMINAL_MAINTAIN),
    )
    for kind in kinds.split()
}
"""Kind -> permission. A test fails for a kind that is missing."""
