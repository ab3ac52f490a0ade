"""Optimizers by name: the built-in ones, those of installed packages, and those the application names.

All take the same road: a dotted path, imported on first use. One that cannot be imported is listed with its error and
harms nobody else. Whoever keeps a choice keeps the name, never the class.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, get_args, get_origin, get_type_hints

from judges.base import AlignmentOptimizer
from judges.errors import OptimizerError

logger = logging.getLogger(__name__)

GROUP = "alignment.optimizers"
BUILTIN = {
    "simba": "alignment.simba.SIMBAAlignmentOptimizer",
    "gepa": "alignment.gepa.GEPAAlignmentOptimizer",
    "memory": "alignment.memory.MemoryAlignmentOptimizer",
    "best_of": "alignment.best_of.BestOfAlignmentOptimizer",
}

OptimizerSource = str | type[AlignmentOptimizer]

_registered: dict[str, OptimizerSource] = {}
_overrides: ContextVar[Mapping[str, OptimizerSource] | None] = ContextVar(
    "optimizers", default=None
)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """An option of an optimizer, enough to make a form field.

    Attributes:
        name: The keyword.
        type: "bool", "int", "float", "str", or "json" for anything else that JSON can hold.
        default: Its default.
        help: What it means, from the class's docstring; may be empty.
        choices: The values of a `Literal`, where that is its annotation; else empty.
    """

    name: str
    type: str
    default: Any
    help: str = ""
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OptimizerInfo:
    """An optimizer that can be chosen, or one that is broken and why.

    Attributes:
        name: What is stored.
        title: What people read.
        version: Of the optimizer, or of the package it came with; empty when unknown.
        parameters: Its options.
        takes_model: Whether it asks a model of its own.
        min_examples: Fewest labels it works with.
        error: Why it cannot be used; empty when it can.
    """

    name: str
    title: str
    version: str = ""
    parameters: tuple[Parameter, ...] = ()
    takes_model: bool = False
    min_examples: int = 0
    error: str = ""


def register(name: str, source: OptimizerSource) -> None:
    """Offer one more optimizer, as a class or a dotted path to one. A known name is replaced."""
    _registered[name] = source


@contextmanager
def override_optimizers(optimizers: Mapping[str, OptimizerSource]) -> Iterator[None]:
    """Inside the block exactly these optimizers exist, in this thread. For tests."""
    token = _overrides.set(dict(optimizers))
    try:
        yield
    finally:
        _overrides.reset(token)


def get_optimizer_class(name: str) -> type[AlignmentOptimizer]:
    """The optimizer of that name.

    Raises:
        OptimizerError: when there is none, or it cannot be imported. The message says so.
    """
    sources = _sources()
    if name not in sources:
        known = ", ".join(sorted(sources)) or "none"
        raise OptimizerError(f"There is no optimizer “{name}”; there are: {known}.")
    return _resolve(name, sources[name])


def build_optimizer(
    name: str,
    *,
    model: str | None = None,
    seed: int | None = None,
    params: Mapping[str, Any] | None = None,
) -> AlignmentOptimizer:
    """The optimizer of that name with its options; model and seed are given to one that takes them.

    Raises:
        OptimizerError: when there is none, it cannot be imported, or it does not take an option or its value.
    """
    optimizer_class = get_optimizer_class(name)
    options = dict(params or {})
    if model and _takes_model(optimizer_class):
        options["model"] = model
    if seed is not None and "seed" in inspect.signature(optimizer_class).parameters:
        options.setdefault("seed", seed)
    try:
        inspect.signature(optimizer_class).bind(**options)
    except TypeError as error:
        raise OptimizerError(
            f"The optimizer “{name}” does not take these options: {error}."
        ) from error
    try:
        return optimizer_class(**options)
    except (TypeError, ValueError) as error:
        raise OptimizerError(f"The optimizer “{name}” refuses its options: {error}") from error


def list_optimizers() -> list[OptimizerInfo]:
    """Every optimizer by name, broken ones with their error."""
    return [_describe(name, source) for name, source in sorted(_sources().items())]


def version_of(name: str) -> str:
    """The version of an optimizer, of its package where it has none of its own; empty when unknown."""
    sources = _sources()
    return _describe(name, sources[name]).version if name in sources else ""


def _sources() -> dict[str, OptimizerSource | EntryPoint]:
    overrides = _overrides.get()
    if overrides is not None:
        return dict(overrides)
    installed = {point.name: point for point in entry_points(group=GROUP)}
    return {**BUILTIN, **installed, **_registered}


def _resolve(name: str, source: OptimizerSource | EntryPoint) -> type[AlignmentOptimizer]:
    try:
        if isinstance(source, EntryPoint):
            found = source.load()
        elif isinstance(source, str):
            module, _, attribute = source.rpartition(".")
            found = getattr(import_module(module), attribute)
        else:
            found = source
    except Exception as error:  # a plugin's module may raise anything when it is imported
        logger.warning(
            "The optimizer %s cannot be loaded: %s: %s", name, type(error).__name__, error
        )
        raise OptimizerError(
            f"The optimizer “{name}” cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    # A subclass of another library's AlignmentOptimizer will do: all that is asked of it is `align(judge, traces)`.
    if not (isinstance(found, type) and callable(getattr(found, "align", None))):
        raise OptimizerError(
            f"The optimizer “{name}” is no optimizer: it must be a class with a method align(judge, traces)."
        )
    return found


def _describe(name: str, source: OptimizerSource | EntryPoint) -> OptimizerInfo:
    try:
        optimizer_class = _resolve(name, source)
    except OptimizerError as error:
        return OptimizerInfo(name=name, title=name, error=str(error))
    version = str(getattr(optimizer_class, "version", "") or "")
    if not version and isinstance(source, EntryPoint) and source.dist is not None:
        version = source.dist.version
    return OptimizerInfo(
        name=name,
        title=str(getattr(optimizer_class, "title", "") or optimizer_class.__name__),
        version=version,
        parameters=_parameters(optimizer_class),
        takes_model=_takes_model(optimizer_class),
        min_examples=int(getattr(optimizer_class, "min_examples", AlignmentOptimizer.min_examples)),
    )


def _takes_model(optimizer_class: type[AlignmentOptimizer]) -> bool:
    return "model" in inspect.signature(optimizer_class).parameters


def _parameters(optimizer_class: type[AlignmentOptimizer]) -> tuple[Parameter, ...]:
    """The keyword-only options whose defaults JSON can hold; others cannot be kept in a row or shown in a form."""
    help_of = _help_from(inspect.getdoc(optimizer_class) or "")
    choices_of = _choices(optimizer_class)
    parameters = []
    for parameter in inspect.signature(optimizer_class).parameters.values():
        is_option = parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "model"
        if (
            is_option
            and parameter.default is not parameter.empty
            and _is_jsonable(parameter.default)
        ):
            parameters.append(
                Parameter(
                    name=parameter.name,
                    type=_type_name(parameter.default, parameter.annotation),
                    default=parameter.default,
                    help=help_of.get(parameter.name, ""),
                    choices=choices_of.get(parameter.name, ()),
                )
            )
    return tuple(parameters)


def _choices(optimizer_class: type[AlignmentOptimizer]) -> dict[str, tuple[Any, ...]]:
    """The values of every option that is annotated with a `Literal`."""
    try:
        hints = get_type_hints(optimizer_class.__init__)
    except (NameError, TypeError):  # an annotation that only a type checker can read
        return {}
    return {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}


def _type_name(default: Any, annotation: Any) -> str:
    if default is None:
        declared = str(getattr(annotation, "__name__", annotation))
        names = {part.strip() for part in declared.split("|")} - {"None"}
        return next((name for name in ("bool", "int", "float", "str") if names == {name}), "json")
    return type(default).__name__ if isinstance(default, (bool, int, float, str)) else "json"


def _is_jsonable(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _help_from(docstring: str) -> dict[str, str]:
    """The sentences of a Google-style "Args:" section by name."""
    _, found, section = docstring.partition("Args:\n")
    texts: dict[str, str] = {}
    name = ""
    for line in section.splitlines() if found else ():
        if not line.startswith("    "):
            break
        head, colon, text = line.strip().partition(": ")
        if colon and not line.startswith("     ") and head.isidentifier():
            name, texts[head] = head, text
        elif name:
            texts[name] += " " + line.strip()
    return texts
