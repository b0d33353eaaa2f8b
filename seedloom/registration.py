"""Registers the compressed format with transformers, at no cost to those who never load a model.

Importing transformers takes seconds. So ``import seedloom`` only leaves a finder with Python's import
system, which waits until ``transformers.quantizers`` is imported, by whom it may be, and registers then.
No model is loaded without that module.
"""

import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

AWAITED = "transformers.quantizers"

logger = logging.getLogger(__name__)


def register() -> None:
    """Register the format now.

    Raises
    ------
    ImportError
        If a package that it needs is missing, or does not import.
    """
    import_module("sw_runtime.nn.quantizer")


def register_when_imported() -> None:
    """Register the format once transformers' quantizers are imported: now, if they are already."""
    if AWAITED in sys.modules:
        register()
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the awaited module as Python would, with a loader that registers the format afterwards."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != AWAITED:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        try:
            register()
        except ImportError as error:  # transformers itself must import for those who need it for other models
            logger.warning("no compressed folder can be loaded (%s); `seedloom doctor` says what is missing", error)
