"""What a terminal tells of itself: INFO in its polls, options, registration (zk-push-protocol 5.6, 6.2)."""

from dataclasses import dataclass

from biometric_flow.zk.push.text import Fields

OPTIONS_MAX = 500


@dataclass(frozen=True, slots=True)
class PollInfo:
    """The INFO of a getrequest; counts are None where it does not say."""

    firmware: str
    users: int | None
    fingers: int | None
    punches: int | None
    address: str
    faces: int | None

    def text(self) -> str:
        """As a terminal sends it."""
        counts = ("" if number is None else str(number) for number in (self.users, self.fingers, self.punches))
        faces = "" if self.faces is None else self.faces
        return f"{self.firmware},{','.join(counts)},{self.address},10,7,0,{faces},11000"


def read_info(text: str) -> PollInfo:
    """The INFO of a getrequest; whatever is missing or no number stays untold. Never fails."""
    cells = [cell.strip() for cell in text[:512].split(",")] + [""] * 10
    return PollInfo(
        firmware=cells[0][:64],
        users=_count(cells[1]),
        fingers=_count(cells[2]),
        punches=_count(cells[3]),
        address=cells[4][:64],
        faces=_count(cells[8]),
    )


def read_options(text: str) -> Fields:
    """`key=value` pairs with commas or line ends between: the body of a registry or options upload. Never fails."""
    parts = text.replace("\r", "").replace("\n", ",").split(",")[:OPTIONS_MAX]
    pairs = (part.partition("=") for part in parts)
    return Fields({name.strip(): value.strip()[:200] for name, sign, value in pairs if sign})


def _count(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
