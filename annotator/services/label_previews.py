"""What another label rule, or another way with old wordings, would do to the labels, before it is applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alignment.labels import LabelRule, Settled, Unsettled, Vote
from annotator.models import Judge, Label
from annotator.services.labels import Settler, settler, votes_by_trace
from judges.values import Value, value_key

GAINED, LOST, CHANGED = "gained", "lost", "changed"


@dataclass(frozen=True, kw_only=True)
class LabelChange:
    """One trace whose label would change; None stands for no label."""

    trace_pk: int
    before: Value | None
    after: Value | None

    @property
    def kind(self) -> str:
        """`gained`, `lost` or `changed`."""
        if self.before is None:
            return GAINED
        return LOST if self.after is None else CHANGED


@dataclass(frozen=True, kw_only=True)
class LabelPreview:
    """The labels before and after.

    Attributes:
        before: How many labels there are.
        after: How many there would be.
        values_before: How many of each value there are, by `value_key`.
        values_after: How many of each value there would be.
        changes: The traces whose label would change, newest trace first.
    """

    before: int
    after: int
    values_before: dict[str, int]
    values_after: dict[str, int]
    changes: tuple[LabelChange, ...]

    def count(self, kind: str) -> int:
        """How many labels are `gained`, `lost` or `changed`."""
        return sum(change.kind == kind for change in self.changes)

    def counts(self) -> dict[str, int]:
        """`{"before", "after", "changed", "gained", "lost"}`."""
        kinds = {kind: self.count(kind) for kind in (CHANGED, GAINED, LOST)}
        return {"before": self.before, "after": self.after, **kinds}


def preview_rule(
    *,
    judge: Judge,
    rule: LabelRule | None = None,
    adjudicator: str | None = None,
    only_current_guideline: bool | None = None,
) -> LabelPreview:
    """What the labels would be under another rule or switch; what is None stays as the judge has it."""
    votes = votes_by_trace(judge, only_current_guideline=only_current_guideline)
    return _preview(_now(judge), votes, settler(judge, rule=rule, adjudicator=adjudicator))


def preview_rules(judge: Judge) -> dict[LabelRule, LabelPreview]:
    """What every rule would make of the labels, by rule; one that wants a name is left out while there is none."""
    now, votes = _now(judge), votes_by_trace(judge)
    return {
        rule: _preview(now, votes, settler(judge, rule=rule))
        for rule in LabelRule
        if rule is not LabelRule.ADJUDICATED or judge.adjudicator
    }


def _now(judge: Judge) -> dict[int, Value]:
    return dict(Label.objects.filter(judge=judge).values_list("trace_id", "value"))


def _preview(
    now: Mapping[int, Value], votes: Mapping[int, list[Vote]], settle_all: Settler
) -> LabelPreview:
    then = _values_then(votes, settle_all)
    return LabelPreview(
        before=len(now),
        after=len(then),
        values_before=dict(Counter(value_key(value) for value in now.values())),
        values_after=dict(Counter(value_key(value) for value in then.values())),
        changes=tuple(
            LabelChange(trace_pk=trace, before=now.get(trace), after=then.get(trace))
            for trace in sorted(now.keys() | then.keys(), reverse=True)
            if _key(now.get(trace)) != _key(then.get(trace))
        ),
    )


def _values_then(votes: Mapping[int, list[Vote]], settle_all: Settler) -> dict[int, Value]:
    """The labels by trace. Of thousands of traces few have votes of their own kind, and each kind is settled once."""
    of_kind: dict[tuple[Any, ...], Settled | Unsettled] = {}
    then: dict[int, Value] = {}
    for trace, answers in votes.items():
        kind = tuple(
            (
                vote.source_id,
                type(vote.value),
                value_key(vote.value),
                vote.is_settlement,
                vote.is_superseded,
            )
            for vote in answers
        )
        if kind not in of_kind:
            of_kind[kind] = settle_all(answers)
        settled = of_kind[kind]
        if isinstance(settled, Settled):
            then[trace] = settled.value
    return then


def _key(value: Value | None) -> str | None:
    return None if value is None else value_key(value)
