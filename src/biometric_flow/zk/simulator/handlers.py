"""Everything a simulated terminal answers besides what every session does by itself."""

from typing import Final

from biometric_flow.zk.simulator.people import PEOPLE_HANDLERS
from biometric_flow.zk.simulator.session import Handler

HANDLERS: Final[dict[int, Handler]] = {**PEOPLE_HANDLERS}
