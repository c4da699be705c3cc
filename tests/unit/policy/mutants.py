"""Mutation testing of `policy/`: change one thing in one module, and see whether any test notices.

    python -m tests.unit.policy.mutants [--most 25] [--seed 1] [--json FILE] [--workers 1] [overtime columns.pay ...]

All modules and all mutants without arguments. Every mutant lives in a fork of one session of pytest that has collected
and run every test of the policy. It knows which tests pass a line and how long each takes: a mutant meets only those,
quickest first. A change inside a function is a change of its code; one outside of functions (a constant, a default)
is a module that is imported again, with all that import it. Mutants that nothing can notice stand in `equivalent.py`,
each with its reason; they are not counted.
"""

import argparse
import ast
import copy
import functools
import gc
import importlib.abc
import importlib.util
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, Final

import numpy  # noqa: F401 - imported once, before the forks
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

from tests.unit.policy.equivalent import EQUIVALENT

POLICY: Final = Path(__file__).parents[3] / "src" / "biometric_flow" / "policy"
HERE: Final = Path(__file__).parent
PACKAGE: Final = "biometric_flow.policy"
MODULES: Final = tuple(
    sorted(
        ".".join(path.relative_to(POLICY).with_suffix("").parts)
        for path in POLICY.rglob("*.py")
        if path.name != "__init__.py"
    )
)
"""Everything that has statements."""

TESTS: Final = (str(HERE), str(HERE.parent / "commands" / "test_policy.py"))
LEFT_OUT: Final = ("test_mutants", "test_most_people_are_evaluated_in_columns")
"""Tests of this module itself, and one that repeats what others do."""

OPTIONS: Final = ("-q", "-p", "no:cacheprovider", "-m", "not drill", "--assert=plain", "--tb=no")
"""Why a test fails is of no interest, and dear to tell."""

settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), derandomize=True, database=None)
"""The same examples for every mutant, and no search for the smallest that fails."""

ALIVE, NOTICED, BROKEN = 0, 1, 9
WORKERS: Final = os.cpu_count() or 1
PATIENCE: Final = 20.0
"""A test that takes so much longer than it did, in seconds of work and times ten, does not end: that is noticed."""
_COMPARED: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_COUNTED: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.FloorDiv: ast.Mult,
    ast.Mult: ast.FloorDiv,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_CHOSEN: Final = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}


def sites(tree: ast.Module) -> Iterator[tuple[ast.AST, int]]:
    """Every place at which a mutant differs; the number says which operator of a chain."""
    notes = {id(inner) for node in ast.walk(tree) for note in _annotations(node) for inner in ast.walk(note)}
    for node in ast.walk(tree):
        if id(node) in notes:
            continue
        if isinstance(node, ast.Compare):
            yield from ((node, index) for index, sign in enumerate(node.ops) if type(sign) in _COMPARED)
        elif (
            (isinstance(node, ast.BinOp) and type(node.op) in _COUNTED)
            or isinstance(node, ast.BoolOp)
            or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert))
            or (isinstance(node, ast.Constant) and type(node.value) in (int, bool, float))
            or (isinstance(node, ast.Call) and _name(node.func) in _CHOSEN)
        ):
            yield node, 0


def _annotations(node: ast.AST) -> list[ast.AST]:
    """What the program does not do anything with: types, and how a dataclass is made."""
    found = [getattr(node, name, None) for name in ("annotation", "returns")]
    return [note for note in [*found, *getattr(node, "decorator_list", ())] if isinstance(note, ast.AST)]


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def change(node: Any, index: int) -> str:
    """Make the mutant; what was changed, in words."""
    before = ast.unparse(node)
    if isinstance(node, ast.Compare):
        node.ops[index] = _COMPARED[type(node.ops[index])]()
    elif isinstance(node, ast.BinOp):
        node.op = _COUNTED[type(node.op)]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.UnaryOp):
        node.op = ast.UAdd()
        if not isinstance(node.operand, ast.Constant):
            node.operand = ast.Call(ast.Name("abs" if before[0] == "-" else "bool", ast.Load()), [node.operand], [])
    elif isinstance(node, ast.Constant):
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1
    elif isinstance(node.func, ast.Name):
        node.func.id = _CHOSEN[node.func.id]
    else:
        node.func.attr = _CHOSEN[node.func.attr]
    ast.fix_missing_locations(node)
    return f"line {node.lineno}: {before}  ->  {ast.unparse(node)}"


@dataclass(frozen=True)
class Mutant:
    """Change number `number` of a module."""

    module: str
    number: int
    lines: range
    function: int | None
    """First line of the outermost function around it; None outside of functions."""
    told: str
    source: str
    """The line, without its indent."""

    @property
    def is_equivalent(self) -> bool:
        """Whether somebody looked at it and wrote down why nothing can notice it."""
        change = self.told.partition(": ")[2].replace("  ->  ", " -> ")
        return (self.module, self.source, change) in EQUIVALENT


def path_of(module: str) -> Path:
    """The file of a module."""
    return POLICY / f"{module.replace('.', '/')}.py"


def tree_of(module: str) -> ast.Module:
    """A module as it is."""
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def mutants_of(module: str) -> list[Mutant]:
    """All mutants of a module."""
    tree, source = tree_of(module), path_of(module).read_text(encoding="utf-8").splitlines()
    functions = list(_functions(tree))
    found = []
    for number, (site, index) in enumerate(sites(tree)):
        node = copy.deepcopy(site)
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)  # type: ignore[attr-defined]
        body = [first for first, body in functions if lines.start in body]
        line = source[lines.start - 1].strip()
        found.append(Mutant(module, number, lines, body[0] if body else None, change(node, index), line))
    return found


def _functions(node: ast.AST) -> Iterator[tuple[int, range]]:
    """First line, as code objects have it, and lines of the body of each function outside of functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([child.lineno, *(one.lineno for one in child.decorator_list)])
            yield first, range(child.body[0].lineno, (child.end_lineno or child.lineno) + 1)
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child)


def mutated(mutant: Mutant) -> CodeType:
    """The code of its module."""
    tree = tree_of(mutant.module)
    change(*list(sites(tree))[mutant.number])
    return compile(tree, str(path_of(mutant.module)), "exec")


@dataclass
class Judge:
    """A test: what it passes, and how long it takes."""

    item: pytest.Item
    seconds: float = 0.0
    lines: set[tuple[str, int]] = field(default_factory=set)


class Session:
    """A plugin of pytest: runs every test once under a tracer, then lets mutants meet them."""

    def __init__(self, chosen: Sequence[Mutant], report: Callable[[Mutant, bool], None], workers: int) -> None:
        self.chosen, self.report, self.workers = chosen, report, workers
        self.judges: list[Judge] = []
        self.functions: list[FunctionType] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = [one for one in session.items if not any(name in one.nodeid for name in LEFT_OUT)]
        for number, item in enumerate(items):
            following = items[number + 1] if number + 1 < len(items) else None
            self.judges.append(self._traced(item, following))
        self.judges.sort(key=lambda one: one.seconds)
        running: dict[int, Mutant] = {}
        waiting = list(self.chosen)
        forget()
        self.functions = [one for one in gc.get_objects() if isinstance(one, FunctionType)]
        gc.freeze()
        while waiting or running:
            while waiting and len(running) < self.workers:
                mutant = waiting.pop(0)
                running[self._life(mutant)] = mutant
            child, status = os.wait()
            assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) in (ALIVE, NOTICED), running[child]
            self.report(running.pop(child), os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == NOTICED)
        return True

    def _traced(self, item: pytest.Item, following: pytest.Item | None) -> Judge:
        judge, root = Judge(item), str(POLICY)

        def line(frame: FrameType, event: str, _argument: object) -> Any:
            if event == "line":
                judge.lines.add((frame.f_code.co_filename, frame.f_lineno))
            return line

        def call(frame: FrameType, _event: str, _argument: object) -> Any:
            return line if frame.f_code.co_filename.startswith(root) else None

        began = time.process_time()
        sys.settrace(call)
        reports = runtestprotocol(item, log=False, nextitem=following)
        sys.settrace(None)
        judge.seconds = time.process_time() - began
        assert not any(one.failed for one in reports), f"{item.nodeid} fails without a mutant"
        return judge

    def _life(self, mutant: Mutant) -> int:
        child = os.fork()
        if child:
            return child
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        try:
            os._exit(ALIVE if self._survives(mutant) else NOTICED)
        finally:
            os._exit(BROKEN)

    def _survives(self, mutant: Mutant) -> bool:
        if mutant.function is None:
            return _survives_anew(mutant)
        swap(mutant, mutant.function, self.functions)
        file = str(path_of(mutant.module))
        passing = [one for one in self.judges if any((file, line) in one.lines for line in mutant.lines)]
        for judge in passing:
            signal.setitimer(signal.ITIMER_PROF, PATIENCE + judge.seconds * 10)
            if any(one.failed for one in runtestprotocol(judge.item, log=False, nextitem=None)):
                return False
        return True


def swap(mutant: Mutant, first: int, functions: Sequence[FunctionType]) -> None:
    """Give the function that begins at line `first` its mutant's code, wherever somebody holds the function."""
    wanted = next(one for one in _codes(mutated(mutant)) if one.co_firstlineno == first)
    here = (str(path_of(mutant.module)), first, wanted.co_name)
    mine = [one for one in functions if _place(one.__code__) == here]
    assert mine, mutant
    for one in mine:
        one.__code__ = wanted


def _place(code: CodeType) -> tuple[str, int, str]:
    return code.co_filename, code.co_firstlineno, code.co_name


def _codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            if one.co_flags & 0x2:  # a function, not the body of a class
                yield one
            else:
                yield from _codes(one)


def forget() -> None:
    """What was computed without the mutant must not stand in for it."""
    from biometric_flow.policy.zones import HomeZone

    for one in gc.get_objects():
        if isinstance(one, functools._lru_cache_wrapper) and one.__module__.startswith(PACKAGE):
            one.cache_clear()
        elif isinstance(one, HomeZone):
            one._offsets.clear()


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module as its mutant."""

    def __init__(self, module: str, code: CodeType) -> None:
        self._name, self._code = f"{PACKAGE}.{module}", code

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self._name else None

    def exec_module(self, module: Any) -> None:
        exec(self._code, module.__dict__)


def _survives_anew(mutant: Mutant) -> bool:
    """Import everything that knows the policy again, and run all tests: the worked cases first."""
    code = mutated(mutant)
    for name in [name for name, one in sys.modules.items() if _knows_the_policy(name, one)]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Mutated(mutant.module, code))
    options = [*OPTIONS, "-x"]
    files = [str(HERE / "test_cases.py"), *TESTS, f"--deselect={HERE / LEFT_OUT[0]}.py"]
    signal.setitimer(signal.ITIMER_PROF, 300)
    return pytest.main([*options, *files, f"--ignore={HERE / 'test_mutants.py'}", "-k", f"not {LEFT_OUT[1]}"]) == 0


def _knows_the_policy(name: str, module: object) -> bool:
    """A test has its bare name as its module's, so only its file tells that it is one."""
    is_test = str(getattr(module, "__file__", None) or "").startswith(str(HERE.parents[1]))
    return is_test or name.startswith((PACKAGE, "biometric_flow.commands", "tests"))


def survivors(
    chosen: Sequence[Mutant], told: Callable[[Mutant, bool], None] = lambda *_: None, workers: int = WORKERS
) -> list[Mutant]:
    """Those of the mutants that no test notices. Raises AssertionError when a test fails without any mutant."""
    alive: list[Mutant] = []

    def report(mutant: Mutant, is_noticed: bool) -> None:
        if not is_noticed:
            alive.append(mutant)
        told(mutant, is_noticed)

    settings.load_profile("mutants")
    session = Session(chosen, report, workers)
    code = pytest.main([*OPTIONS, *TESTS], plugins=[session])
    assert code == 0, f"pytest ended with {code}"
    return alive


def sample(names: Sequence[str], most: int | None, seed: int) -> list[Mutant]:
    """`most` mutants of these modules together, always the same for a seed; all of them without."""
    every = [mutant for name in names for mutant in mutants_of(name) if not mutant.is_equivalent]
    return every if most is None else random.Random(seed).sample(every, min(most, len(every)))


def main() -> None:
    """Each outcome as it comes, then the score module by module; a run that is stopped has shown a random sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("modules", nargs="*")
    given = parser.parse_args()
    chosen = sample(given.modules or MODULES, given.most, given.seed)

    def told(mutant: Mutant, is_noticed: bool) -> None:
        sys.__stderr__.write(f"{'noticed' if is_noticed else 'ALIVE'} {mutant.module} {mutant.told}\n")  # type: ignore[union-attr]
        sys.__stderr__.flush()  # type: ignore[union-attr]

    alive = survivors(chosen, told, given.workers)
    for name in MODULES:
        count, left = (sum(one.module == name for one in some) for some in (chosen, alive))
        if count:
            print(f"{name}: {count - left} of {count} noticed")
    print(f"all: {len(chosen) - len(alive)} of {len(chosen)} noticed, {1 - len(alive) / max(1, len(chosen)):.1%}")
    if given.json:
        given.json.write_text(json.dumps([[one.module, one.told] for one in alive], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
