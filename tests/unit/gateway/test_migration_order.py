"""The gateway's migrations stand in one row: two engineers who add one each find out before a database does."""

import importlib
import pkgutil

from biometric_flow.gateway.store.migrations import versions


def test_each_migration_stands_behind_exactly_one_other() -> None:
    names = sorted(module.name for module in pkgutil.iter_modules(versions.__path__))
    modules = [importlib.import_module(f"{versions.__name__}.{name}") for name in names]
    before = [None, *(module.revision for module in modules[:-1])]
    assert [module.down_revision for module in modules] == before
    assert [name[1:5] for name in names] == [module.revision for module in modules]
