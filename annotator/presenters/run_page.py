"""An alignment run as its page shows it: stages, scores per step, time left, figures, traces fixed and broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from annotator.presenters.plot import Plot, PlotPoint, line_plot
from annotator.presenters.words import (
    duration,
    number,
    time_left,
)
from judges.values import Value, value_key

STAGES = ("FREEZE", "SPLIT", "BASELINE", "OPTIMIZE", "EVALUATE", "GATE", "PROMOTE")
_STAGE_WORDS = {
    "FREEZE": ("Freeze", "Take the labelled traces as they are now."),
    "SPLIT": ("Split", "Set some traces aside, unseen, for the test."),
    "BASELINE": ("Baseline", "See how the present version does."),
    "OPTIMIZE": ("Optimise", "Find better instructions."),
    "EVALUATE": ("Evaluate", "Test both versions on the traces set aside."),
    "GATE": ("Gate", "Decide whether the new one is better."),
    "PROMOTE": ("Promote", "Put the better version to use."),
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the stepper; `state` is done, current, failed or todo."""

    name: str
    state: str
    result: str
    duration: str
    done: int = 0
    total: int = 0


def stepper(stages: Sequence[Mapping[str, Any]], *, status: str, now: datetime) -> list[Step]:
    """The seven stages with what came of them so far.

    Args:
        stages: What the run recorded, in order: name, started_at, finished_at (ISO), result, done and total.
        status: The run's status; a stage left open by a run that ended is where it failed.
        now: To measure a stage that still runs.
    """
    recorded = {str(stage.get("name", "")): stage for stage in stages}
    is_live = status in {"QUEUED", "RUNNING"}
    steps = []
    for key in STAGES:
        name, about = _STAGE_WORDS[key]
        stage = recorded.get(key)
        if stage is None:
            steps.append(Step(name=name, state="todo", result=about, duration=""))
            continue
        started, finished = _moment(stage.get("started_at")), _moment(stage.get("finished_at"))
        state = "done" if finished else "current" if is_live else "failed"
        end = finished or (now if is_live else None)
        took = duration((end - started).total_seconds()) if started and end else ""
        steps.append(
            Step(
                name=name,
                state=state,
                result=str(stage.get("result") or about),
                duration=took,
                done=stage.get("done") or 0,
                total=stage.get("total") or 0,
            )
        )
    return steps


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None


@dataclass(frozen=True, kw_only=True)
class StepScore:
    """What one step of the optimizer reached; the scores are agreement on the traces it learns from, 0 to 1."""

    part: str
    step: str
    scores: str
    best: str


def step_scores(steps: Sequence[Mapping[str, Any]]) -> list[StepScore]:
    """The table of scores per step; under cross-validation each step belongs to a part."""
    return [
        StepScore(
            part=str(step.get("part") or ""),
            step=f"{step['step']} of {step['of']}",
            scores=", ".join(number(score) for score in step["scores"]) or "no candidate",
            best="" if step["best"] is None else number(step["best"]),
        )
        for step in steps
    ]


def step_plot(steps: Sequence[Mapping[str, Any]]) -> Plot | None:
    """The best score of each step, with the spread of its candidates, of the part that came last.

    None before there are two steps: a single point is no course.
    """
    part = steps[-1].get("part") if steps else ""
    points = [
        PlotPoint(
            label=str(step["step"]),
            value=step["best"],
            low=min(step["scores"], default=None),
            high=max(step["scores"], default=None),
            title=""
            if step["best"] is None
            else f"Step {step['step']}: best {number(step['best'])}",
        )
        for step in steps
        if step.get("part") == part
    ]
    if sum(point.value is not None for point in points) < 2:
        return None
    return line_plot(points, ticks=(0.0, 0.25, 0.5, 0.75, 1.0))


def run_time_left(
    *,
    calls: int,
    calls_expected: int | None,
    seconds_so_far: float | None,
    past_seconds: Sequence[float],
) -> str:
    """An honest estimate: from this run's own pace once a tenth is done, before that from past runs.

    Args:
        calls: Model calls made so far.
        calls_expected: Calls the optimizer expects in all, or None.
        seconds_so_far: Since the run started, or None when it waits.
        past_seconds: How long earlier runs of the judge took.
    """
    if seconds_so_far is not None and calls_expected and calls >= max(5, calls_expected / 10):
        left = seconds_so_far * max(0, calls_expected - calls) / calls
        return f"{time_left(left)} at this pace"
    if past_seconds:
        typical = sorted(past_seconds)[len(past_seconds) // 2]
        if (left := typical - (seconds_so_far or 0.0)) > 0:
            return f"{time_left(left)}, going by earlier runs"
        return "longer than earlier runs took"
    return time_left(None)


FLIP_WORDS = {
    "fixed": "fixed",
    "broken": "broken",
    "wrong": "wrong both times",
    "right": "right both times",
}


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A held-out trace with what the experts, the old and the new version say; `change` is a key of `FLIP_WORDS`."""

    trace_id: str
    label: Value
    before: Value | None
    after: Value | None
    before_rationale: str
    after_rationale: str
    change: str
    preview: str = ""

    @property
    def change_text(self) -> str:
        """What happened, in words."""
        return FLIP_WORDS[self.change]


def flips(items: Sequence[Mapping[str, Any]]) -> list[Flip]:
    """Every tested trace; fixed are those only the new version got right, broken those only the old one did.

    A failed verdict (None) is not right.
    """
    found = []
    for item in items:
        label, before, after = item["label"], item.get("before"), item.get("after")
        found.append(
            Flip(
                trace_id=item["trace_id"],
                label=label,
                before=before,
                after=after,
                before_rationale=str(item.get("before_rationale") or ""),
                after_rationale=str(item.get("after_rationale") or ""),
                change=_change(was_right=_equal(before, label), is_right=_equal(after, label)),
            )
        )
    return found


def flip_filters(found: Sequence[Flip]) -> list[tuple[str, str, int]]:
    """Each filter: its name in the address, its words, how many traces it shows."""
    counts = Counter(flip.change for flip in found)
    kinds = [(kind, words.capitalize(), counts[kind]) for kind, words in FLIP_WORDS.items()]
    return [*kinds, ("all", "All", len(found))]


def _equal(verdict: Value | None, label: Value) -> bool:
    return verdict is not None and value_key(verdict) == value_key(label)


def _change(*, was_right: bool, is_right: bool) -> str:
    if is_right:
        return "right" if was_right else "fixed"
    return "broken" if was_right else "wrong"


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Traces left out for one reason."""

    reason: str
    total: int
    traces: tuple[str, ...]
    more: int


@dataclass(frozen=True, kw_only=True)
class SetSummary:
    """What the run worked with: how many traces, what for, and which were left out."""

    total: int
    parts: tuple[str, ...]
    excluded: tuple[Exclusion, ...]


_PARTS = (
    ("train", "to learn from"),
    ("selection", "to choose among proposals"),
    ("held_out", "set aside for the test"),
)
_MOST_LISTED = 5


def set_summary(
    examples: Sequence[Any], split: Mapping[str, Any], excluded: Sequence[Mapping[str, str]]
) -> SetSummary:
    """The frozen set by part, and the traces left out by reason, most frequent first."""
    parts = [f"{len(split[key])} {words}" for key, words in _PARTS if split.get(key)]
    if split.get("folds"):
        parts.append(f"tested in {len(split['folds'])} parts, each set aside in turn")
    by_reason: dict[str, list[str]] = {}
    for item in excluded:
        by_reason.setdefault(item["reason"], []).append(item["trace_id"])
    return SetSummary(
        total=len(examples),
        parts=tuple(parts),
        excluded=tuple(
            Exclusion(
                reason=reason,
                total=len(traces),
                traces=tuple(traces[:_MOST_LISTED]),
                more=max(0, len(traces) - _MOST_LISTED),
            )
            for reason, traces in sorted(by_reason.items(), key=lambda entry: -len(entry[1]))
        ),
    )


def people_behind(examples: Sequence[Any], names: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Who answered the frozen traces, and how many of them, most first; `names` are those known here by username."""
    answers = Counter(person for row in examples for person in row.get("votes") or ())
    return tuple((names.get(person, person), many) for person, many in answers.most_common())


def answered_by(figures: Mapping[str, Any]) -> tuple[str, ...]:
    """The models that the providers say have answered, where that tells more than the name that was asked for."""
    said = figures.get("answered_by") or {}
    return tuple(
        name for model in sorted(said) for name in said[model] if name != model.partition(":/")[2]
    )
