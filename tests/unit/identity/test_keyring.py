"""Keys: who has which, which state may do what, and how a rotation goes on from wherever it was stopped."""

import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyrings import MESSAGES, TENANT, RootInMemory, add, keyring

from biometric_flow.identity.envelope import Binding, SealingKey, row_name
from biometric_flow.identity.errors import (
    EnvelopeRefused,
    KeyDestroyed,
    KeyReplaced,
    KeySpent,
    KeyStateInvalid,
    KeyUnknown,
)
from biometric_flow.identity.keyring import (
    ERASED_KEY,
    KNOWN,
    MESSAGES_MAX,
    ROOT,
    KeyRecord,
    Keyring,
    KeyState,
    Owner,
    device,
    integration,
    subject,
)
from biometric_flow.identity.rotation import Activate, Destroy, Make, Rewrap, plan

AMINA, BASIL, GATE = subject("a1"), subject("b2"), device("gate")
NAME = Binding("person", "name", b"1")


def test_what_is_sealed_for_one_owner_opens_for_them_and_for_nobody_else() -> None:
    ring = keyring(AMINA, BASIL, GATE, integration("payroll"))
    for owner in (AMINA, BASIL, GATE, integration("payroll")):
        envelope = ring.seal(owner, NAME, b"Amina")
        assert ring.open(owner, NAME, envelope) == b"Amina"
        with pytest.raises(EnvelopeRefused):
            ring.open(subject("c3"), NAME, envelope)


def test_keys_of_one_tenant_open_nothing_of_another() -> None:
    root = RootInMemory()
    mine = Keyring("acme", root)
    for owner in (ROOT, TENANT, AMINA):
        add(mine, owner)
    with pytest.raises(EnvelopeRefused):
        Keyring("umbrella", root, mine.records()).seal(AMINA, NAME, b"Amina")


def test_keys_that_were_stored_open_what_was_sealed_before() -> None:
    root = RootInMemory()
    first = Keyring("acme", root)
    for owner in (ROOT, TENANT, AMINA):
        add(first, owner)
    envelope = first.seal(AMINA, NAME, b"Amina")
    assert Keyring("acme", root, first.records()).open(AMINA, NAME, envelope) == b"Amina"


def test_a_destroyed_key_opens_nothing_and_leaves_nothing_of_itself_in_its_record() -> None:
    ring = keyring(AMINA, BASIL)
    envelope, other = ring.seal(AMINA, NAME, b"Amina"), ring.seal(BASIL, NAME, b"Basil")
    record = ring.active(AMINA)
    assert record is not None
    gone = record.turned(KeyState.DESTROYED)
    assert (gone.wrapped, gone.wrapped_by) == (b"", None)
    ring.load(gone)
    with pytest.raises(KeyDestroyed):
        ring.open(AMINA, NAME, envelope)
    with pytest.raises(KeyUnknown):
        ring.seal(AMINA, NAME, b"Amina")
    assert ring.open(BASIL, NAME, other) == b"Basil"


def test_destroying_a_tenant_key_closes_everything_of_the_tenant_at_once() -> None:
    ring = keyring(AMINA, BASIL)
    envelopes = {owner: ring.seal(owner, NAME, b"name") for owner in (AMINA, BASIL)}
    tenant_key = ring.active(TENANT)
    assert tenant_key is not None
    ring.load(tenant_key.turned(KeyState.DESTROYED))
    for owner, envelope in envelopes.items():
        with pytest.raises(KeyDestroyed):
            ring.open(owner, NAME, envelope)


def test_a_key_seals_no_more_messages_than_were_reserved_and_never_more_than_two_to_the_32() -> None:
    ring = keyring(AMINA)
    for _ in range(MESSAGES):
        ring.seal(AMINA, NAME, b"Amina")
    with pytest.raises(KeySpent):
        ring.seal(AMINA, NAME, b"Amina")
    record = ring.active(AMINA)
    assert record is not None
    full = record.reserving(MESSAGES_MAX)
    with pytest.raises(KeySpent, match="next version"):
        full.reserving(1)


def test_no_two_envelopes_share_a_nonce() -> None:
    ring = keyring(AMINA)
    nonces = {ring.seal(AMINA, NAME, b"Amina")[18:30] for _ in range(MESSAGES)}
    assert len(nonces) == MESSAGES


def test_a_wrapped_key_that_was_moved_to_another_owner_does_not_unwrap() -> None:
    root = RootInMemory()
    ring = Keyring("acme", root)
    for owner in (ROOT, TENANT, AMINA, BASIL):
        add(ring, owner)
    stolen = {record.owner: record for record in ring.records()}
    moved = [*ring.records()[:2], replace(stolen[BASIL], wrapped=stolen[AMINA].wrapped)]
    with pytest.raises(EnvelopeRefused):
        Keyring("acme", root, moved).secret(stolen[BASIL].id)


@pytest.mark.parametrize(
    ("state", "forbidden"),
    [
        (KeyState.ACTIVE, KeyState.PENDING),
        (KeyState.VERIFY_ONLY, KeyState.ACTIVE),
        (KeyState.DESTROYED, KeyState.ACTIVE),
        (KeyState.DESTROYED, KeyState.VERIFY_ONLY),
        (KeyState.PENDING, KeyState.VERIFY_ONLY),
    ],
)
def test_a_key_never_goes_back(state: KeyState, forbidden: KeyState) -> None:
    record = keyring(AMINA).active(AMINA)
    assert record is not None
    with pytest.raises(KeyStateInvalid):
        replace(record, state=state).turned(forbidden)


def test_a_purpose_has_the_same_key_after_the_owner_got_a_next_version() -> None:
    ring = keyring(AMINA)
    before = ring.derived(AMINA, KNOWN)
    first = ring.active(AMINA)
    assert first is not None
    ring.load(first.turned(KeyState.VERIFY_ONLY))
    add(ring, AMINA)
    assert ring.derived(AMINA, KNOWN) == before
    assert ring.derived(AMINA, ERASED_KEY) != before
    with pytest.raises(KeyStateInvalid, match="a purpose that outlasts rotations"):
        ring.derived(AMINA, b"of nobody's list")


def replaced(ring: Keyring, owner: Owner) -> KeyRecord:
    """The owner's next key, in place of the one before, which is destroyed."""
    before = ring.active(owner)
    assert before is not None
    ring.load(before.turned(KeyState.VERIFY_ONLY))
    add(ring, owner)
    ring.load(ring.succeeding(owner))
    ring.load(ring.versions(owner)[-2].turned(KeyState.DESTROYED))
    return ring.versions(owner)[-1]


def test_what_was_derived_outlasts_every_replaced_key_and_nothing_else_does() -> None:
    root = RootInMemory()
    ring = Keyring("acme", root)
    for owner in (ROOT, TENANT, AMINA):
        add(ring, owner)
    before, secret = ring.derived(AMINA, KNOWN), ring.secret(ring.versions(AMINA)[0].id)
    envelope = ring.seal(AMINA, NAME, b"Amina")
    for _ in range(3):
        replaced(ring, AMINA)
        ring = Keyring("acme", root, ring.records())
        assert ring.derived(AMINA, KNOWN) == before
        with pytest.raises(KeyReplaced, match="key store of their time"):
            ring.open(AMINA, NAME, envelope)
    # Neither the key nor what openings and seals follow from (its HKDF extract) is behind the new one.
    last, tenant = ring.versions(AMINA)[-1], ring.active(TENANT)
    assert tenant is not None
    bound = Binding("key", "wrapped", row_name(last.id, last.owner.kind, last.owner.name, last.version))
    held = SealingKey(tenant.id, ring.secret(tenant.id)).unseal(bound.associated("acme"), last.wrapped)
    assert before in held
    assert not any(one in held for one in (secret, hmac.digest(bytes(32), secret, "sha256")))


def test_a_person_who_is_erased_after_a_rotation_is_erased_and_not_replaced() -> None:
    ring = keyring(AMINA)
    envelope = ring.seal(AMINA, NAME, b"Amina")
    ring.load(replaced(ring, AMINA).turned(KeyState.DESTROYED))
    with pytest.raises(KeyDestroyed):
        ring.open(AMINA, NAME, envelope)
    add(ring, AMINA)
    with pytest.raises(KeyDestroyed):
        ring.open(AMINA, NAME, envelope)


@pytest.mark.parametrize("level", [ROOT, TENANT], ids=["root", "tenant"])
@given(restarts=st.sets(st.integers(0, 8)))
def test_a_rotation_that_is_stopped_anywhere_ends_with_one_version_and_everything_readable(
    level: Owner, restarts: set[int]
) -> None:
    root = RootInMemory()
    ring = Keyring("acme", root)
    for owner in (ROOT, TENANT, AMINA, BASIL):
        add(ring, owner)
    envelopes = {owner: ring.seal(owner, NAME, b"name") for owner in (AMINA, BASIL)}
    steps = plan(ring.records(), level, begin=True)
    done = 0
    while steps:
        _take(ring, root, steps[0])
        done += 1
        if done in restarts:
            ring = Keyring("acme", root, ring.records())
        live = [one for one in ring.versions(level) if one.state is not KeyState.DESTROYED]
        assert len(live) <= 2
        for owner, envelope in envelopes.items():
            assert ring.open(owner, NAME, envelope) == b"name"
        steps = plan(ring.records(), level)
    assert [one.state for one in ring.versions(level)] == [KeyState.DESTROYED, KeyState.ACTIVE]
    assert not plan(ring.records(), level)


def test_a_rotation_that_is_under_way_is_not_begun_a_second_time() -> None:
    ring = keyring(AMINA)
    (make,) = plan(ring.records(), TENANT, begin=True)
    assert make == Make(TENANT)
    pending = ring.make(TENANT, KeyState.PENDING)
    ring.load(pending)
    old = ring.active(TENANT)
    assert old is not None
    assert plan(ring.records(), TENANT, begin=True) == [Activate(pending.id), Rewrap(old.id, 1), Destroy(old.id)]


def _take(ring: Keyring, root: RootInMemory, step: Make | Activate | Rewrap | Destroy) -> None:
    by_id: dict[bytes, KeyRecord] = {one.id: one for one in ring.records()}
    match step:
        case Make(owner):
            ring.load(ring.make(owner, KeyState.PENDING))
        case Activate(key):
            old = ring.active(by_id[key].owner)
            assert old is not None
            ring.load(old.turned(KeyState.VERIFY_ONLY))
            ring.load(by_id[key].turned(KeyState.ACTIVE))
        case Rewrap(under, left):
            below = [one for one in ring.records() if one.wrapped_by == under]
            assert len(below) == left
            ring.load(ring.rewrapped(below[0]))
        case Destroy(key):
            if by_id[key].owner == ROOT:
                root.destroy(by_id[key].id)
            ring.load(by_id[key].turned(KeyState.DESTROYED))
