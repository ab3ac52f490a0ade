"""Questions that optimizers put to their own model, and what the judge and the experts said, as it is shown there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from alignment.labels import Example
from alignment.metric import Metric
from judges.answers import last_object
from judges.calls import ModelCall
from judges.entities import Feedback
from judges.instructions import Case, InstructionsJudge
from judges.llm import Gateway
from judges.render import fields_of
from judges.values import ValueKind, ValueType, value_key

LONGEST_FIELD = 3_000  # characters of a case's field that an optimizer's model is shown
_MOST_ASKS = 2


def ask(
    gateway: Gateway, model: str, judge: InstructionsJudge, system: str, user: str
) -> dict[str, Any] | None:
    """The JSON object that a model answers with; None when it gave none, also when asked again.

    The judge's own server is asked where the model is the judge's own.

    Raises:
        ProviderError, BudgetExceededError, Cancelled: as the gateway does.
    """
    is_own = model == judge.model
    messages: tuple[dict[str, Any], ...] = (
        {"role": "system", "content": system},
        {"role": "user", "content": user},
    )
    for _ in range(_MOST_ASKS):
        reply = gateway.complete(
            ModelCall(
                model=model,
                messages=messages,
                base_url=judge.base_url if is_own else None,
                extra_headers=judge.extra_headers if is_own else {},
                purpose="reflection",
            )
        )
        found = last_object(reply.text)
        if found is not None:
            return found
        messages = (
            *messages[:2],
            {"role": "assistant", "content": reply.text or "(no answer)"},
            {
                "role": "user",
                "content": "That is no JSON object. Answer with one JSON object only.",
            },
        )
    return None


def shown_fields(judge: InstructionsJudge, case: Case) -> dict[str, Any]:
    """What the judge is shown of a case, by template variable, long texts cut."""
    return {name: _cut(value) for name, value in fields_of(judge, case).items()}


def feedback_text(example: Example, verdict: Feedback | None, metric: Metric) -> str:
    """What there is to learn from one verdict: how far it is off and to which side, what experts say and why, and what
    the judge said and why."""
    label = value_key(example.value)
    lines = []
    if verdict is None or verdict.value is None:
        lines.append("The judge gave no usable verdict, which counts as wrong.")
    elif value_key(verdict.value) == label:
        lines.append("The judge agrees with the experts.")
    else:
        lines.append(f"The judge is wrong: {_error(metric.value_type, example, verdict)}.")
    lines.append(f"The expert's verdict is: {label}")
    reason = " ".join(example.rationale.split()) or "(none given)"
    lines.append(f"The expert's reason: {reason}")
    if verdict is not None and verdict.value is not None:
        lines.append(f"The judge said: {value_key(verdict.value)}")
        lines.append(f"The judge argued: {' '.join(verdict.rationale.split())}")
    return "\n".join(lines)


def _error(value_type: ValueType, example: Example, verdict: Feedback) -> str:
    """The signed error, where values have an order."""
    label, said = example.value, verdict.value
    if value_type.is_numeric and not isinstance(label, str) and not isinstance(said, str):
        off = float(said or 0) - float(label)
        return f"{abs(off):g} too {'high' if off > 0 else 'low'} (error {off:+g})"
    order = [value_key(category) for category in value_type.categories]
    if value_type.kind is ValueKind.CATEGORY and value_type.ordered and value_key(said) in order:
        steps = order.index(value_key(said)) - order.index(value_key(label))
        grades = "grade" if abs(steps) == 1 else "grades"
        return f"{abs(steps)} {grades} {'above' if steps > 0 else 'below'} the experts (error {steps:+d})"
    return f"it said {value_key(said)}, the experts {value_key(label)}"


def records(judge: InstructionsJudge, examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Labelled cases for a model to find rules in."""
    found = []
    for example in examples:
        record: dict[str, Any] = {
            "trace_id": example.trace.trace_id,
            "expert_verdict": example.value,
        }
        if example.rationale:
            record["expert_reason"] = " ".join(example.rationale.split())
        if example.verdict_value is not None:
            record["judge_said"] = example.verdict_value
        record |= shown_fields(judge, Case.from_trace(example.trace, judge))
        found.append(record)
    return found


def as_json(value: Any) -> str:
    """JSON for a prompt."""
    return json.dumps(value, ensure_ascii=False, default=str, indent=1)


def _cut(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= LONGEST_FIELD:
        return value
    return f"{text[:LONGEST_FIELD]}… ({len(text) - LONGEST_FIELD} more characters)"
