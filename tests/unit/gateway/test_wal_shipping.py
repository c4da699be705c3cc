"""What is shipped of the database's log while it goes on being received."""

from pathlib import Path

from biometric_flow.gateway.wal import WalShipper
from biometric_flow.runtime.clock import SystemClock
from biometric_flow.runtime.sealed_file import new_identity


def test_a_segment_that_was_finished_just_now_holds_up_no_other(tmp_path: Path) -> None:
    staging, target = tmp_path / "wal", tmp_path / "shipped"
    for folder in (staging, target):
        folder.mkdir()
    gone = staging / "00000001000000000000003A.partial"
    gone.symlink_to(staging / "renamed")  # listed, and there no more when it is looked at
    (staging / "00000001000000000000003B").write_bytes(bytes(100))
    shipper = WalShipper("", staging, target, new_identity(tmp_path / "identity"), SystemClock())
    shipper.ship()
    assert [one.name for one in target.iterdir()] == ["00000001000000000000003B.age"]
    gone.unlink()
    (staging / "00000001000000000000003A").write_bytes(bytes(100))
    shipper.ship()
    assert len(list(target.iterdir())) == 2
