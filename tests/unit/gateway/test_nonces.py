"""Each signed request counts once."""

from biometric_flow.gateway.traffic.nonces import Nonces


def test_a_nonce_counts_once_for_its_key_as_long_as_its_signature_does() -> None:
    nonces = Nonces(120)
    assert nonces.is_new("demo/cairo", "a", 1000)
    assert nonces.is_new("demo/leeds", "a", 1000)
    for moment in (1000.0, 1059.0, 1119.0, 1121.0):
        assert not nonces.is_new("demo/cairo", "a", moment)


def test_memory_holds_two_generations_and_no_more() -> None:
    nonces = Nonces(120)
    for number in range(2400):
        assert nonces.is_new("demo/cairo", str(number), number)
    assert len(nonces._now) + len(nonces._before) <= 240
    assert not nonces.is_new("demo/cairo", "2399", 2400)
