"""People, as the terminals of this place know them."""

from fastapi import APIRouter

from biometric_flow.api.place import PersonView
from biometric_flow.place.state import State

router = APIRouter(prefix="/v1/people", tags=["people"])


@router.get("")
async def list_people(state: State) -> list[PersonView]:
    """Everyone that a terminal knows or has seen, by PIN."""
    return [
        PersonView(pin=pin, name=name, terminals=terminals, last_punch=last)
        for pin, name, terminals, last in state.reader.people()
    ]
