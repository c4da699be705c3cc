"""The settings of backups, which a place and the gateway share: BACKUP_*."""

from datetime import timedelta
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from biometric_flow.runtime.backup_task import BackupPlan
from biometric_flow.runtime.sealed_file import BackupKeyInvalid, read_recipient
from biometric_flow.runtime.settings import Settings


class BackupSettings(Settings):
    """Both or neither of folder and recipient; without them no backups are made."""

    backup_folder: Path | None = None
    """Where they go: another disk, or a folder that another machine fetches."""
    backup_recipient: str | None = None
    """What they are encrypted to, as `biometric-flow backup key` prints it."""
    backup_hours: float = Field(24, gt=0, le=24 * 31)
    backup_keep_days: int = Field(35, ge=1, le=3650)
    backup_drill_days: int = Field(7, ge=0, le=365)
    """How often a restore is rehearsed; 0 for never. It needs room for one restored copy in the data folder."""

    @field_validator("backup_recipient")
    @classmethod
    def _is_one(cls, text: str | None) -> str | None:
        try:
            return text and read_recipient(text)
        except BackupKeyInvalid as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _together(self) -> Self:
        if (self.backup_folder is None) != (self.backup_recipient is None):
            raise ValueError("backup_folder and backup_recipient together, or neither")
        return self

    def backup_plan(self) -> BackupPlan | None:
        """What to do, None for nothing."""
        if self.backup_folder is None or self.backup_recipient is None:
            return None
        every, keep = timedelta(hours=self.backup_hours), timedelta(days=self.backup_keep_days)
        drill = timedelta(days=self.backup_drill_days)
        return BackupPlan(self.backup_folder.expanduser().absolute(), self.backup_recipient, every, keep, drill)
