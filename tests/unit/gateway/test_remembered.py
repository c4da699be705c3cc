"""Remembered answers: only at their version, within their bytes, and no tenant pushes out another's."""

from biometric_flow.gateway.traffic.remembered import OVERHEAD, Answer, Memory


def answer(version: int = 1, size: int = 0) -> Answer:
    return Answer(version, (), b'"x"', bytes(size))


def test_an_answer_is_found_at_its_version_only() -> None:
    memory = Memory(2**20)
    memory.keep("demo", "question", answer(7))
    assert memory.find("demo", "question", 7) == answer(7)
    assert memory.find("demo", "question", 8) is None
    assert memory.find("other", "question", 7) is None
    assert (memory.hits, memory.misses) == (1, 2)


def test_a_newer_answer_takes_the_place_of_the_older() -> None:
    memory = Memory(2**20)
    memory.keep("demo", "question", answer(1, size=500))
    memory.keep("demo", "question", answer(2, size=100))
    assert memory.used == OVERHEAD + 100
    assert memory.find("demo", "question", 1) is None


def test_memory_is_bounded_and_what_rested_longest_goes_first() -> None:
    memory = Memory(32 * OVERHEAD)
    for number in range(32):
        memory.keep("demo", number, answer())
    assert memory.find("demo", 0, 1)
    for number in range(32, 40):
        memory.keep("demo", number, answer())
        assert memory.used <= memory.capacity
    assert memory.find("demo", 0, 1)
    assert memory.find("demo", 1, 1) is None


def test_one_tenant_cannot_push_out_what_another_remembers() -> None:
    memory = Memory(32 * OVERHEAD)
    memory.keep("quiet", "question", answer())
    for number in range(1000):
        memory.keep("noisy", number, answer())
    assert memory.find("quiet", "question", 1)
    assert memory.used <= memory.capacity


def test_one_huge_answer_is_not_kept_at_the_cost_of_all_others() -> None:
    memory = Memory(32 * OVERHEAD)
    memory.keep("demo", "small", answer())
    memory.keep("demo", "huge", answer(size=8 * OVERHEAD))
    assert memory.find("demo", "huge", 1) is None
    assert memory.find("demo", "small", 1)


def test_a_memory_of_nothing_keeps_nothing() -> None:
    memory = Memory(0)
    memory.keep("demo", "question", answer())
    assert memory.used == 0
