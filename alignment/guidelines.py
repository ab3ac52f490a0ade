"""Guidelines distilled from labelled cases: a few calls, merged into one short list, contradictions said."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from alignment.events import RunContext
from alignment.instructions import without_foreign_placeholders
from alignment.labels import Example
from alignment.reflection import as_json, ask, records
from judges.instructions import InstructionsJudge
from judges.memory import Guideline

CASES_PER_CALL = 50
CHARACTERS_PER_CALL = 80_000
LONGEST_GUIDELINE = 600
_MOST_SOURCES = 20

_DISTIL = (
    "You distill a set of guidelines for a judge from cases that experts have judged. Find the rules that tell the "
    "experts' verdicts apart: general, checkable, each in one sentence that says what must or must not be the case. The "
    "experts' reasons are the best source. Leave out what the instructions say already, what only one odd case "
    "supports, and anything about single cases. Where experts contradict each other, say about what, and make no rule of "
    'it. Answer with one JSON object: {"guidelines": [{"guideline_text": "…", "source_trace_ids": ["…"]}], '
    '"contradictions": [{"about": "…", "trace_ids": ["…"]}]}.'
)
_MERGE = (
    "You merge guidelines into one list for a judge. Join those that say the same, drop those that the others imply, put "
    "the ones first that most cases support, and keep at most as many as you are told. Where two contradict each other, "
    "keep the one with more sources and name the contradiction. Answer with one JSON object: "
    '{"guidelines": [{"guideline_text": "…", "sources": [1, 4]}], "contradictions": [{"about": "…"}]}, where the sources '
    "are the numbers of the guidelines that each one is made of."
)


@dataclass(frozen=True, kw_only=True)
class Distilled:
    """What feedback teaches: guidelines, the best supported first, and what experts contradict each other about."""

    guidelines: tuple[Guideline, ...]
    contradictions: tuple[str, ...] = ()


def most_calls(n: int) -> int:
    """Most calls that distilling from n cases takes."""
    parts = math.ceil(n / CASES_PER_CALL)
    return 2 * parts + 2  # each may be asked again once


def distil(
    judge: InstructionsJudge,
    examples: Sequence[Example],
    context: RunContext,
    *,
    model: str,
    most: int,
) -> Distilled:
    """Guidelines from labelled cases: one call for each 50 of them, and one to merge what several calls found.

    Args:
        judge: Whose instructions they stand beside.
        examples: The cases.
        context: The run.
        model: Finds the guidelines.
        most: How many to keep.

    Raises:
        ProviderError, BudgetExceededError, Cancelled: as the gateway does.
    """
    parts = list(_parts(records(judge, examples)))
    known = {example.trace.trace_id for example in examples}

    def ask_for(part: list[dict[str, Any]]) -> dict[str, Any]:
        context.stop_if_cancelled()
        user = (
            f"The judge's instructions:\n{judge.instructions}\n\nIts verdict is {judge.value_type.describe()}.\n\n"
            f"The cases:\n{as_json(part)}"
        )
        return ask(context.gateway, model, judge, _DISTIL, user) or {}

    with ThreadPoolExecutor(min(8, len(parts))) as pool:
        answers = list(pool.map(ask_for, parts))
    found = _unique(
        Guideline(
            text=_clean(item.get("guideline_text"), judge),
            sources=tuple(i for i in _texts(item.get("source_trace_ids")) if i in known)[
                :_MOST_SOURCES
            ],
        )
        for answer in answers
        for item in _objects(answer.get("guidelines"))
    )
    contradictions = [
        *(
            _contradiction(item, known)
            for answer in answers
            for item in _objects(answer.get("contradictions"))
        ),
        *_opposite_labels(judge, examples),
    ]
    if len(parts) > 1 or len(found) > most:
        context.stop_if_cancelled()
        found, more = _merged(judge, found, context, model=model, most=most)
        contradictions += more
    return Distilled(
        guidelines=tuple(found[:most]),
        contradictions=tuple(dict.fromkeys(text for text in contradictions if text)),
    )


def recurring(
    judge: InstructionsJudge,
    found: Sequence[Distilled],
    context: RunContext,
    *,
    model: str,
) -> tuple[Guideline, ...]:
    """The guidelines that most of the lists have, which come from different parts of the feedback: noise seldom recurs.

    Those with equal words are counted here; where none are, a model is asked which mean the same.

    Raises:
        ProviderError, BudgetExceededError, Cancelled: as the gateway does.
    """
    every = [guideline for each in found for guideline in _unique(each.guidelines)]
    counts = Counter(_key(guideline.text) for guideline in every)
    unique = _unique(every)
    repeated = [guideline for guideline in unique if counts[_key(guideline.text)] > len(found) / 2]
    if repeated or not every:
        return tuple(repeated)
    listed = [{"number": n, "guideline_text": g.text} for n, g in enumerate(every, start=1)]
    user = f"Keep at most {len(every)}.\n\nThe guidelines:\n{as_json(listed)}"
    answer = ask(context.gateway, model, judge, _MERGE, user) or {}
    return tuple(
        Guideline(text=_clean(item.get("guideline_text"), judge))
        for item in _objects(answer.get("guidelines"))
        if len(item.get("sources") or ()) > len(found) / 2
        and _clean(item.get("guideline_text"), judge)
    )


def as_text(judge: InstructionsJudge, guidelines: Sequence[Guideline]) -> str:
    """The judge's instructions with the guidelines as part of their text, for optimizers that rewrite it."""
    return "\n".join([judge.instructions.rstrip() + "\n", *(g.text for g in guidelines)])


def _merged(
    judge: InstructionsJudge,
    found: Sequence[Guideline],
    context: RunContext,
    *,
    model: str,
    most: int,
) -> tuple[list[Guideline], list[str]]:
    listed = [
        {"number": number, "guideline_text": guideline.text, "cases": len(guideline.sources)}
        for number, guideline in enumerate(found, start=1)
    ]
    user = f"Keep at most {most}.\n\nThe guidelines:\n{as_json(listed)}"
    answer = ask(context.gateway, model, judge, _MERGE, user) or {}
    by_number = dict(enumerate(found, start=1))
    merged = _unique(
        Guideline(
            text=_clean(item.get("guideline_text"), judge),
            sources=tuple(
                dict.fromkeys(
                    source
                    for number in item.get("sources") or ()
                    if number in by_number
                    for source in by_number[number].sources
                )
            )[:_MOST_SOURCES],
        )
        for item in _objects(answer.get("guidelines"))
    )
    contradictions = [
        _contradiction(item, set()) for item in _objects(answer.get("contradictions"))
    ]
    # Without a usable answer those stay that most cases support.
    return merged or sorted(found, key=lambda each: -len(each.sources)), contradictions


def _parts(rows: Sequence[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        length = len(as_json(row))
        if part and (len(part) == CASES_PER_CALL or size + length > CHARACTERS_PER_CALL):
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    yield part


def _unique(guidelines: Iterable[Guideline]) -> list[Guideline]:
    """One of each text, whatever its case and punctuation, with the sources of all."""
    by_key: dict[str, Guideline] = {}
    for guideline in guidelines:
        key = _key(guideline.text)
        if not key:
            continue
        same = by_key.get(key)
        by_key[key] = (
            guideline
            if same is None
            else Guideline(
                text=same.text, sources=tuple(dict.fromkeys((*same.sources, *guideline.sources)))
            )
        )
    return list(by_key.values())


def _key(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _clean(text: object, judge: InstructionsJudge) -> str:
    """One line without placeholders: a guideline is no template."""
    plain = without_foreign_placeholders(" ".join(str(text or "").split()), frozenset())
    return plain[:LONGEST_GUIDELINE].lstrip("-*• ")


def _contradiction(item: dict[str, Any], known: set[str]) -> str:
    about = " ".join(str(item.get("about") or "").split())[:LONGEST_GUIDELINE]
    traces = [i for i in _texts(item.get("trace_ids")) if i in known]
    return f"{about} ({', '.join(traces[:4])})" if about and traces else about


def _opposite_labels(judge: InstructionsJudge, examples: Sequence[Example]) -> list[str]:
    """Cases that read the same and have different labels."""
    by_text: dict[str, list[Example]] = {}
    for example in examples:
        key = as_json([example.trace.inputs, example.trace.outputs])
        by_text.setdefault(key, []).append(example)
    return [
        f"The same case has different labels: {', '.join(e.trace.trace_id for e in same[:4])}."
        for same in by_text.values()
        if len({str(e.value) for e in same}) > 1
    ]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
