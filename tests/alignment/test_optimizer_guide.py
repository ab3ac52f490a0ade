"""The optimizer that `docs/writing-an-optimizer.md` builds works as it stands there, and so does that of MLflow's manual."""

from __future__ import annotations

from typing import Any

from alignment.gate import Outcome
from alignment.plugins import build_optimizer, list_optimizers, override_optimizers
from alignment.runner import run_alignment
from judges import make_judge
from judges.llm import Gateway, use_gateway
from tests.alignment.support_desk import desk_examples, desk_judge, traces_of
from tests.guide import GUIDE_CODE, guide_package

MANUAL = '''
class MyCustomOptimizer(AlignmentOptimizer):
    """Custom optimizer implementation for judge alignment."""

    def __init__(self, model: str = None, **kwargs):
        """Initialize your optimizer with custom parameters."""
        self.model = model

    def align(self, judge, traces):
        improved_instructions = self._optimize_instructions(judge.instructions, traces)
        return make_judge(
            name=judge.name,
            instructions=improved_instructions,
            feedback_value_type=str,
            model=judge.model,
        )

    def _optimize_instructions(self, instructions: str, traces) -> str:
        return instructions + " The answer must state a time frame. The answer must not apologise."
'''


def guide() -> type[Any]:
    namespace: dict[str, Any] = {}
    exec(GUIDE_CODE, namespace)  # noqa: S102 - the guide is our own
    optimizer: type[Any] = namespace["QuoteTheExperts"]
    return optimizer


def test_the_guide_builds_an_optimizer_in_under_40_lines() -> None:
    assert len(GUIDE_CODE.splitlines()) < 40


def test_it_keeps_what_brings_the_judge_nearer_to_the_experts() -> None:
    judge, examples = desk_judge(), desk_examples(20)
    with use_gateway(Gateway(concurrency=4)):
        aligned = judge.align(traces_of(examples), guide()(most_reasons=3))
    assert "It must" in aligned.instructions
    assert judge.instructions in aligned.instructions


def test_its_options_are_described_for_the_apps_form() -> None:
    with override_optimizers({"quote": guide()}):
        (info,) = list_optimizers()
    assert (info.title, info.version, info.min_examples) == ("Quote the experts", "1.0", 10)
    assert [(p.name, p.type, p.default, p.choices) for p in info.parameters] == [
        ("seed", "int", 0, ()),
        ("most_reasons", "int", 5, ()),
        ("order", "str", "any", ("any", "longest")),
    ]
    assert all(parameter.help for parameter in info.parameters[1:])


def test_the_seed_of_the_run_reaches_it() -> None:
    with override_optimizers({"quote": guide()}):
        built: Any = build_optimizer("quote", seed=7, params={"most_reasons": 2})
    assert (built.seed, built.most_reasons) == (7, 2)


def test_the_optimizer_of_mlflows_manual_works_as_it_is() -> None:
    class AlignmentOptimizer:
        """What another library calls so; it is none of ours."""

    namespace: dict[str, Any] = {"AlignmentOptimizer": AlignmentOptimizer, "make_judge": make_judge}
    exec(MANUAL, namespace)  # noqa: S102 - it is written above
    with override_optimizers({"custom": namespace["MyCustomOptimizer"]}):
        (info,) = list_optimizers()
        assert (info.error, info.takes_model, info.parameters) == ("", True, ())
        optimizer = build_optimizer("custom", model="demo:/judge")
    judge = desk_judge()
    result = run_alignment(
        judge=judge, examples=desk_examples(60), optimizer=optimizer, gateway=Gateway(concurrency=8)
    )
    assert result.decision.outcome is Outcome.PROMOTE
    assert result.candidate is not None
    assert result.candidate.value_type == judge.value_type


def test_the_guides_package_is_a_wheel_that_pip_takes(tmp_path: Any) -> None:
    folder = guide_package(tmp_path)
    assert (folder / "quote_the_experts.py").read_text(encoding="utf-8") == GUIDE_CODE
    assert list(folder.glob("quote_the_experts-1.0.dist-info/entry_points.txt"))
