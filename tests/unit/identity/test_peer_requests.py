"""What instances of a gateway believe of each other."""

from datetime import timedelta

import pytest

from biometric_flow.identity.errors import SignatureRefused
from biometric_flow.identity.peer_requests import (
    WINDOW_SECONDS,
    Holder,
    check_peer,
    open_holder,
    seal_holder,
    sign_peer,
)
from tests.builders import MOMENT

KEY, HERE, TARGET = bytes(32), "http://10.0.0.5:9000", "/peer/links/demo/cairo"
PROOF = sign_peer(KEY, HERE, TARGET, b"question", MOMENT, bytes(16))
HELD = seal_holder(KEY, "demo", "cairo", Holder(HERE, 1_700_000_000_123), MOMENT)
LATE = timedelta(seconds=WINDOW_SECONDS + 1)


def test_what_an_instance_said_is_believed_by_the_one_it_asks() -> None:
    head = check_peer(KEY, HERE, TARGET, PROOF, MOMENT + timedelta(seconds=WINDOW_SECONDS))
    assert (head.nonce, len(head.body)) == ("00" * 16, 32)


@pytest.mark.parametrize(
    ("key", "address", "target", "late"),
    [
        (bytes(31) + b"1", HERE, TARGET, timedelta()),
        (KEY, "http://10.0.0.6:9000", TARGET, timedelta()),
        (KEY, HERE, "/peer/links/other/cairo", timedelta()),
        (KEY, HERE, TARGET, LATE),
        (KEY, HERE, TARGET, -LATE),
    ],
)
def test_another_key_instance_place_or_time_is_refused(key: bytes, address: str, target: str, late: timedelta) -> None:
    with pytest.raises(SignatureRefused):
        check_peer(key, address, target, PROOF, MOMENT + late)


def test_no_character_of_a_proof_may_differ_and_no_other_form_is_read() -> None:
    for at in range(len(PROOF)):
        changed = PROOF[:at] + ("0" if PROOF[at] != "0" else "1") + PROOF[at + 1 :]
        with pytest.raises(SignatureRefused):
            check_peer(KEY, HERE, TARGET, changed, MOMENT)
    for form in ("", "Peer", "Peer ....", "Bearer x", PROOF + ".", "Peer 1.²." + "x" * 20, "Peer " + "x" * 500):
        with pytest.raises(SignatureRefused):
            check_peer(KEY, HERE, TARGET, form, MOMENT)


def test_who_holds_a_link_is_believed_of_that_place_for_a_while_from_those_with_the_key() -> None:
    assert open_holder(KEY, "demo", "cairo", HELD, MOMENT) == Holder(HERE, 1_700_000_000_123)
    assert open_holder(KEY, "demo", "leeds", HELD, MOMENT) is None
    assert open_holder(KEY, "other", "cairo", HELD, MOMENT) is None
    assert open_holder(KEY, "demo", "cairo", HELD, MOMENT + LATE) is None
    assert open_holder(bytes(31) + b"1", "demo", "cairo", HELD, MOMENT) is None
    assert open_holder(KEY, "demo", "cairo", HELD.replace(b"10.0.0.5", b"10.0.0.9"), MOMENT) is None
    assert open_holder(KEY, "demo", "cairo", b"\xff\n\xff\n1\n2", MOMENT) is None
    assert open_holder(KEY, "demo", "cairo", b"", MOMENT) is None
