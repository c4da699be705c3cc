"""Everything a simulated terminal answers besides what every session does by itself."""

from typing import Final

from biometric_flow.zk.simulator.access import ACCESS_HANDLERS
from biometric_flow.zk.simulator.cards import CARD_HANDLERS
from biometric_flow.zk.simulator.people import PEOPLE_HANDLERS
from biometric_flow.zk.simulator.session import Handler
from biometric_flow.zk.simulator.upkeep import UPKEEP_HANDLERS

HANDLERS: Final[dict[int, Handler]] = {**PEOPLE_HANDLERS, **ACCESS_HANDLERS, **UPKEEP_HANDLERS, **CARD_HANDLERS}
