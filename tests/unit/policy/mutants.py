"""Mutation testing of `policy/`: change one thing in one module, and see whether anything notices.

    python -m tests.unit.policy.mutants 25 overtime breaks     # 25 mutants of each; of all modules without a name

Every mutant lives in a fork of this process, so that only the policy has to be imported again. What notices are the
worked cases, the columns on random crowds, and the facts of the other test files, in this order.
"""

import ast
import importlib.abc
import importlib.util
import os
import random
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import hypothesis  # noqa: F401 - imported once, before the forks
import numpy  # noqa: F401
import pytest

POLICY: Final = Path(__file__).parents[3] / "src" / "biometric_flow" / "policy"
HERE: Final = Path(__file__).parent
MODULES: Final = (
    *("assembly", "attribution", "breaks", "cases", "duplicates", "engine", "explain", "fields", "inputs", "instants"),
    *("irregularities", "locks", "many", "missing", "overtime", "packs", "pairing", "reach", "reading", "rounding"),
    *("rules", "schedules", "sentences", "sessions", "workdays", "zones"),
    *(
        "columns.arrays",
        "columns.days",
        "columns.groups",
        "columns.hours",
        "columns.pay",
        "columns.plans",
        "columns.table",
    ),
)
FACTS: Final = (
    "test_packs",
    "test_bad_cases",
    "test_explain",
    "test_changes",
    "test_reach",
    "test_many",
    "test_told",
    "test_properties",
)
SECONDS: Final = 60
"""A mutant that runs longer does not end, and is noticed."""
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


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module as its mutant."""

    def __init__(self, module: str, tree: ast.Module) -> None:
        self._name, self._tree = f"biometric_flow.policy.{module}", tree

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self._name else None

    def exec_module(self, module: Any) -> None:
        exec(compile(self._tree, self._name, "exec"), module.__dict__)


def is_noticed(module: str, number: int | None) -> bool:
    """Whether anything notices mutant `number` of a module; None is the module as it is."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return status != 0
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of work, however busy the machine is
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    try:
        tree = ast.parse((POLICY / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
        if number is not None:
            change(*list(sites(tree))[number])
        sys.meta_path.insert(0, _Mutated(module, tree))
        if _all_is_well():
            os._exit(0)
    finally:
        os._exit(1)  # whatever went wrong: somebody noticed


def _all_is_well() -> bool:
    from tests.unit.policy.crowds import crowd
    from tests.unit.policy.payroll_clerk import VECTORS, cases_of, differences
    from tests.unit.policy.test_many import conserved, judged

    for path in sorted(VECTORS.glob("*.json")):
        if any(differences(case) for case in cases_of(path.name)):
            return False
    for seed in range(10):
        people = crowd(random.Random(seed), 12)
        conserved(people)
        judged(people)
    files = [str(HERE / f"{name}.py") for name in FACTS]
    commands = str(HERE.parent / "commands" / "test_policy.py")
    return (
        pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not hypothesis and not drill", *files, commands]) == 0
    )


def survivors(module: str, most: int) -> tuple[int, list[str]]:
    """How many mutants were made, `most` at most, and those that nothing noticed."""
    text = (POLICY / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    every = range(len(list(sites(ast.parse(text)))))
    if is_noticed(module, None):
        raise AssertionError(f"{module}: the facts do not hold without a mutant either")
    chosen = sorted(random.Random(module).sample(every, min(most, len(every))))
    alive = [number for number in chosen if not is_noticed(module, number)]
    return len(chosen), [change(*list(sites(ast.parse(text)))[number]) for number in alive]


def main(most: int, names: Sequence[str]) -> None:
    """Score and survivors, module by module."""
    killed = total = 0
    for name in names or MODULES:
        count, alive = survivors(name, most)
        killed, total = killed + count - len(alive), total + count
        print(f"{name}: {count - len(alive)} of {count} noticed", *alive, sep="\n  ", flush=True)
    print(f"all: {killed} of {total} noticed, {killed / max(1, total):.1%}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
