"""The register of processing (GDPR article 30), made from the tags of all columns of places and gateway."""

from biometric_flow.gateway.store import classification as of_gateway
from biometric_flow.place import classification as of_place
from biometric_flow.runtime.classification import PROCESSING, Tags


def register() -> list[dict[str, str]]:
    """One line for each kind of data about people and each store, with the columns that hold it."""
    lines = []
    stores: tuple[tuple[str, str, Tags], ...] = (
        ("place", of_place.SEALED, of_place.COLUMNS),
        ("gateway", of_gateway.PROTECTED, of_gateway.COLUMNS),
    )
    for data, what in PROCESSING.items():
        for store, protection, columns in stores:
            held = [
                f"{table} ({', '.join(names)})"
                for table, kinds in columns.items()
                if (names := [name for name, kind in kinds.items() if kind is data])
            ]
            if held:
                line = {"data": str(data), "about": what.about, "purpose": what.purpose, "kept": what.kept}
                lines.append({**line, "protection": protection, "columns": f"{store}: {'; '.join(held)}"})
    return lines
