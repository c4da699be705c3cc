"""Where a place's files lie and what holds its root key, for commands that work on them beside the process."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from biometric_flow.identity.keyring import RootKeys
from biometric_flow.place.settings import PlaceSettings
from biometric_flow.runtime.key_file import KEYS_FOLDER
from biometric_flow.runtime.root_home import root_keys
from biometric_flow.runtime.settings import StrongSecret, load_settings


class _WithoutItsKey(PlaceSettings):
    """The settings of a place, for a command that answers no requests."""

    api_key: StrongSecret | None = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class PlaceFiles:
    """The folder of a place, its key store and its settings."""

    folder: Path
    keys: Path
    settings: PlaceSettings

    def root(self, keys: Path | None = None) -> RootKeys:
        """What holds its root key: its token, else the file beside its key store. Raises FolderUnusable."""
        return root_keys(keys or self.keys, self.settings.root_home())


def files_of(
    config: Path, environment: Mapping[str, str], place: str, data: Path | None = None, keys: Path | None = None
) -> PlaceFiles:
    """The files of a place by its settings, or where the caller says. Raises SettingsInvalid."""
    settings = load_settings(
        _WithoutItsKey, "place", config, environment, instance=f"place-{place}", id=place, data=data, keys=keys
    )
    folder = settings.data / "places" / place
    return PlaceFiles(folder, settings.keys or folder / KEYS_FOLDER, settings)
