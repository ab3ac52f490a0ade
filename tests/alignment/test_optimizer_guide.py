"""The optimizer that `docs/writing-an-optimizer.md` builds works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from judges import AlignmentOptimizer, AssessmentSource, Feedback, SourceType, Trace, make_judge

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "writing-an-optimizer.md"


def test_the_optimizer_of_the_guide_adds_what_experts_wrote_about_wrong_verdicts() -> None:
    code = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[0]
    namespace: dict[str, Any] = {}
    exec(code, namespace)  # noqa: S102 - the guide is our own
    optimizer: AlignmentOptimizer = namespace["QuoteTheExperts"](most_reasons=1)
    judge = make_judge(
        name="quality",
        instructions="Is {{ outputs }} good?",
        feedback_value_type=bool,
        model="demo:/judge",
    )

    aligned = judge.align([trace("a", verdict=True, label=True), trace("b"), trace("c")], optimizer)

    assert aligned.instructions == "Is {{ outputs }} good?\n\nWhat experts said:\n- No date in b."
    assert judge.instructions == "Is {{ outputs }} good?"


def trace(trace_id: str, *, verdict: bool = True, label: bool = False) -> Trace:
    def said(kind: SourceType, value: bool, rationale: str = "") -> Feedback:
        return Feedback(
            name="quality",
            value=value,
            rationale=rationale,
            source=AssessmentSource(source_type=kind, source_id="someone"),
        )

    return Trace(
        trace_id=trace_id,
        outputs={"answer": "…"},
        assessments=(
            said(SourceType.LLM_JUDGE, verdict),
            said(SourceType.HUMAN, label, f"No date in {trace_id}."),
        ),
    )
