"""Optimizers by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from alignment import plugins
from alignment.plugins import (
    build_optimizer,
    get_optimizer_class,
    list_optimizers,
    override_optimizers,
    register,
)
from alignment.simba import SIMBAAlignmentOptimizer
from judges.base import AlignmentOptimizer, Judge
from judges.entities import Trace
from judges.errors import OptimizerError


class Custom(AlignmentOptimizer):
    """Somebody's optimizer.

    Args:
        model: Asked for rewrites.
        rounds: How often it tries.
        style: How it writes,
            in a word.
        secret: Not for forms.
    """

    title = "Custom"
    version = "2.1"
    min_examples = 25

    def __init__(
        self,
        model: str | None = None,
        *,
        rounds: int = 3,
        style: str | None = None,
        is_bold: bool = False,
        secret: object = object,
    ) -> None:
        if rounds < 1:
            raise ValueError("rounds must be at least 1.")
        self.model, self.rounds = model, rounds

    def align(self, judge: Judge, traces: Sequence[Trace]) -> Judge:
        return judge


class AsInTheManual(AlignmentOptimizer):
    """The shape of MLflow's manual."""

    def __init__(self, model: str | None = None, **kwargs: Any) -> None:
        self.model = model

    def align(self, judge: Judge, traces: Sequence[Trace]) -> Judge:
        return judge


def test_simba_is_built_in_and_describes_its_options() -> None:
    assert get_optimizer_class("simba") is SIMBAAlignmentOptimizer
    (simba,) = [info for info in list_optimizers() if info.name == "simba"]
    assert (simba.title, simba.takes_model, simba.min_examples, simba.error) == (
        "SIMBA",
        True,
        10,
        "",
    )
    options = {p.name: (p.type, p.default) for p in simba.parameters}
    assert options == {
        "seed": ("int", 0),
        "steps": ("int", 4),
        "candidates": ("int", 4),
        "batch_size": ("int", 16),
        "demonstrations": ("int", 0),
    }
    assert all(parameter.help for parameter in simba.parameters)


def test_an_optimizer_of_others_is_described_from_its_constructor() -> None:
    with override_optimizers({"custom": f"{__name__}.Custom", "manual": AsInTheManual}):
        custom, manual = list_optimizers()
    assert (custom.title, custom.version, custom.min_examples) == ("Custom", "2.1", 25)
    assert [(p.name, p.type, p.default, p.help) for p in custom.parameters] == [
        ("rounds", "int", 3, "How often it tries."),
        ("style", "str", None, "How it writes, in a word."),
        ("is_bold", "bool", False, ""),
    ]
    assert (manual.title, manual.parameters, manual.takes_model) == ("AsInTheManual", (), True)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.at.all", "ModuleNotFoundError"),
        ("alignment.simba.Absent", "AttributeError"),
        ("plain", "ValueError"),
        ("alignment.split.Split", "a method align"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_error_and_harms_nobody(source: str, words: str) -> None:
    with override_optimizers({"broken": source, "simba": plugins.BUILTIN["simba"]}):
        broken, simba = list_optimizers()
        assert words in broken.error
        assert simba.error == ""
        with pytest.raises(OptimizerError, match=words):
            get_optimizer_class("broken")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with (
        override_optimizers({"custom": Custom}),
        pytest.raises(OptimizerError, match=r"“gepa”; there are: custom"),
    ):
        get_optimizer_class("gepa")
    assert get_optimizer_class("simba") is SIMBAAlignmentOptimizer


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"round": 2}, "unexpected keyword"),
        ({"rounds": 0}, "at least 1"),
        ({"rounds": "x"}, "refuses"),
    ],
)
def test_wrong_options_are_refused(params: dict[str, Any], words: str) -> None:
    with override_optimizers({"custom": Custom}), pytest.raises(OptimizerError, match=words):
        build_optimizer("custom", params=params)


def test_an_optimizer_is_built_with_its_model_and_options() -> None:
    with override_optimizers({"custom": Custom}):
        built = build_optimizer("custom", model="demo:/judge", params={"rounds": 5})
    assert isinstance(built, Custom)
    assert (built.model, built.rounds) == ("demo:/judge", 5)


def test_installed_packages_and_the_application_add_optimizers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point = EntryPoint(
        name="installed", value="alignment.simba:SIMBAAlignmentOptimizer", group=plugins.GROUP
    )
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
    monkeypatch.setattr(plugins, "_registered", {})
    register("own", Custom)
    assert [info.name for info in list_optimizers()] == sorted(
        [*plugins.BUILTIN, "installed", "own"]
    )
    assert get_optimizer_class("installed") is SIMBAAlignmentOptimizer


def test_every_exported_name_resolves_and_the_list_is_sorted() -> None:
    import alignment

    assert all(getattr(alignment, name) for name in alignment.__all__)
    assert sorted(alignment.__all__) == sorted(alignment._HOMES)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = alignment.nonsense


def test_importing_and_listing_load_neither_dspy_nor_litellm_nor_the_statistics() -> None:
    code = (
        "import sys, alignment, alignment.labels, alignment.readiness, alignment.split\n"
        "from alignment import SIMBAAlignmentOptimizer, list_optimizers\n"
        "from alignment.plugins import build_optimizer\n"
        "assert list_optimizers()[0].parameters\n"
        "build_optimizer('simba', model='demo:/judge', params={'steps': 2})\n"
        "loaded = {'dspy', 'litellm', 'numpy', 'django'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
