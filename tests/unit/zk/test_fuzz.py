"""Whatever bytes come, a decoder gives a value or a declared error, in 10 ms and 4 MiB (security-design P1, P3)."""

import contextlib
import gc
import importlib
import inspect
import pkgutil
import sys
import tomllib
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from types import CodeType, FrameType, FunctionType

import pytest

import biometric_flow.zk.push
import biometric_flow.zk.wire
from tests.fuzzing.cases import CASE_MAX, cases, inflated
from tests.fuzzing.decoders import DECODERS, VECTORS
from tests.fuzzing.limits import BYTES, SECONDS, feed, feed_measured

TOTAL = 100_000
ROUNDS = -(-TOTAL // len(DECODERS))
MEASURED = ROUNDS // 10
SEED = 20261122
CORPUS = tomllib.loads((VECTORS / "fuzz.toml").read_text())["case"]
LARGE = 4 * CASE_MAX
every_decoder = pytest.mark.parametrize("name", DECODERS)


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    """What other tests left behind is not collected at the expense of a case."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def corpus_case(case: dict[str, object]) -> bytes:
    """`parts` one after the other: `text` or `hex`, each `times` over."""
    parts: list[dict[str, str | int]] = case["parts"]  # type: ignore[assignment]
    return b"".join(
        (bytes.fromhex(str(part["hex"])) if "hex" in part else str(part["text"]).encode()) * int(part.get("times", 1))
        for part in parts
    )


@every_decoder
def test_damaged_bytes_give_a_value_or_a_declared_error_in_time(name: str) -> None:
    decoder = DECODERS[name]
    for number, data in enumerate(cases(decoder.seeds, ROUNDS, f"{name} {SEED}")):
        try:
            feed(decoder, data)
        except Exception as problem:
            raise AssertionError(f"case {number} of {name}, {data.hex()}: {problem!r}") from problem


@every_decoder
def test_damaged_bytes_take_no_more_than_4_mib(name: str) -> None:
    decoder = DECODERS[name]
    tracemalloc.start()
    try:
        for data in cases(decoder.seeds, MEASURED, f"{name} {SEED}"):
            feed_measured(decoder, data)
        for data in inflated(decoder.seeds, CASE_MAX):
            feed_measured(decoder, data)
    finally:
        tracemalloc.stop()


@every_decoder
def test_the_work_grows_no_faster_than_what_came(name: str) -> None:
    decoder = DECODERS[name]
    for data in inflated(decoder.seeds, LARGE):
        try:
            feed(decoder, data, SECONDS * LARGE / CASE_MAX * 5)
        except AssertionError as problem:
            raise AssertionError(f"{name}, {data[:80]!r}...: {problem}") from None


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case["name"])
def test_what_was_found_once_stays_mended(case: dict[str, object]) -> None:
    data = corpus_case(case)
    feed(DECODERS[str(case["decoder"])], data, max(SECONDS, SECONDS * 4 * len(data) / CASE_MAX))
    tracemalloc.start()
    try:
        feed_measured(DECODERS[str(case["decoder"])], data, max(BYTES, 8 * len(data)))
    finally:
        tracemalloc.stop()


def test_the_rounds_add_up_to_what_was_promised() -> None:
    assert ROUNDS * len(DECODERS) >= TOTAL
    data = b"".join(islice(cases(DECODERS["push-attlog"].seeds, 50, "x"), 50))
    assert data == b"".join(cases(DECODERS["push-attlog"].seeds, 50, "x")), "the same seed draws the same cases"


NO_DECODERS = {
    "checksum", "is_intact", "row_type", "suspicious_rows", "windows", "refusal", "reply_name", "scramble", "is_last",
    "split_rows", "wrap_rows", "cut_text", "verify_methods", "event_kind", "lower_version", "timezone_option",
    "session_token", "window_request", "finger_request", "from_datetime", "table_fields", "encode_usb_line",
    "report_line",
}  # fmt: skip
"""Public functions that are given no bytes of a terminal, or only those that a decoder has seen."""


def test_no_decoder_is_left_out() -> None:
    reached: set[CodeType] = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            reached.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for name, decoder in DECODERS.items():
            for data in (*decoder.seeds, *cases(decoder.seeds, 30, name)):
                with contextlib.suppress(*decoder.declared):
                    decoder.read(data)
    finally:
        sys.setprofile(before)
    missed = [name for name, code in decoding_functions() if code not in reached]
    assert not missed


def decoding_functions() -> Iterator[tuple[str, CodeType]]:
    """Public functions and methods of both protocols that make a value from what a terminal sent."""
    for package in (biometric_flow.zk.wire, biometric_flow.zk.push):
        for module in pkgutil.iter_modules(package.__path__):
            loaded = importlib.import_module(f"{package.__name__}.{module.name}")
            for name, one in vars(loaded).items():
                if getattr(one, "__module__", "") != loaded.__name__:
                    continue
                if isinstance(one, FunctionType):
                    yield from decoding(f"{module.name}.{name}", name, one)
                elif inspect.isclass(one):
                    for inner, method in vars(one).items():
                        function = getattr(method, "__func__", method)
                        if isinstance(function, FunctionType):
                            yield from decoding(f"{module.name}.{name}.{inner}", inner, function)


def decoding(path: str, name: str, function: FunctionType) -> Iterator[tuple[str, CodeType]]:
    words = ("decode", "read", "from_", "unpack", "unpad", "unwrap", "receive", "feed", "take")
    is_decoder = name.startswith(words) or name.endswith(("_line", "_members", "_fields", "_layout", "_of", "_guesses"))
    if is_decoder and not name.startswith("_") and name not in NO_DECODERS:
        yield path, function.__code__
