"""Agreement of judges with the settled labels, and of people among each other, fetched for `alignment.agreement`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from alignment.agreement import HumanAgreement, among_people
from alignment.judge_agreement import JudgeAgreement, compare
from alignment.sides import Side
from annotator.models import (
    AlignmentRun,
    Assessment,
    Judge,
    JudgeVersion,
    Kind,
    Label,
    Source,
    Trace,
)
from annotator.models.feedback import AssessmentQuerySet
from annotator.services.first_answers import first_ratings
from judges.values import Value, ValueKind, value_key

ByItem = dict[str, Value]  # an item is a trace under a judge's name
ByPerson = dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class VersionAgreement:
    """How far one version of a judge agrees with the labels."""

    version: JudgeVersion
    agreement: JudgeAgreement


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Everything that is known about how far a judge and the people agree.

    Attributes:
        labels: How many labels there are of each value, by `value_key`.
        humans: The people among each other.
        versions: Each version of the judge with verdicts on labelled traces, oldest first.
        sources: Other judges and programs whose verdicts bear the same name, by source id.
    """

    labels: dict[str, int]
    humans: HumanAgreement
    versions: tuple[VersionAgreement, ...]
    sources: dict[str, JudgeAgreement]

    def of_version(self, version: JudgeVersion | None) -> JudgeAgreement | None:
        """The agreement of one version; None when it gave no verdict on a labelled trace."""
        return next((each.agreement for each in self.versions if each.version == version), None)


def agreement_of(judge: Judge) -> Agreement:
    """The agreement of each version of the judge, of foreign judges, and among the people; in at most seven queries."""
    labels, verdicts, scale = _labels([judge]), _verdicts([judge]), _Scale.of([judge])
    foreign = _by_source(verdict for verdict in verdicts if verdict.version is None)
    return Agreement(
        labels=_tally(labels),
        humans=scale.among_people(first_ratings([judge])),
        versions=_by_version(judge, verdicts, labels, scale),
        sources={source: scale.compare(labels, by_item) for source, by_item in foreign.items()},
    )


def version_trend(judge: Judge) -> tuple[VersionAgreement, ...]:
    """The agreement of each version with verdicts on labelled traces, oldest first; in at most six queries."""
    return _by_version(judge, _verdicts([judge]), _labels([judge]), _Scale.of([judge]))


def expert_agreement(judge: Judge) -> HumanAgreement:
    """How far people agree among each other under the judge's name; in one query."""
    return _Scale.of([judge]).among_people(first_ratings([judge]))


def agreement_report(judges: Sequence[Judge]) -> dict[str, Any]:
    """The figures of one judge, or of several pooled, ready for JSON; in at most six queries.

    An item is a trace under a name, so pooled judges add their items up. Who adjudicates is no rater.

    Returns:
        `{"names", "n", "humans": {"raters", "krippendorff_alpha", …}, "labels": {value: count},
        "judges": {source id: {"n", "accuracy", …}}, "why": {figure: sentence}}`. Undefined figures are None, and `why`
        says why. Under `details` each figure comes with its interval and n.
    """
    labels, ratings, scale = _labels(judges), first_ratings(judges), _Scale.of(judges)
    humans = {
        "raters": sorted({rater for answers in ratings.values() for rater in answers}),
        **scale.among_people(ratings).to_dict(),
    }
    against_labels = {
        source: scale.compare(labels, by_item).to_dict()
        for source, by_item in sorted(_by_source(_verdicts(judges)).items())
    }
    undefined = dict(_undefined("humans", humans["details"]))
    for source, figures in against_labels.items():
        undefined.update(_undefined(f"judges.{source}", figures["details"]))
    return {
        "names": [judge.name for judge in judges],
        "n": len(ratings.keys() | labels.keys()),
        "humans": humans,
        "labels": _tally(labels),
        "judges": against_labels,
        "why": undefined,
    }


# --- What is fetched


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    item: str
    source: str
    version: int | None
    value: Value


def _labels(judges: Sequence[Judge]) -> ByItem:
    rows = Label.objects.filter(judge__in=judges).order_by("pk")
    return {
        _item(name, trace): value
        for name, trace, value in rows.values_list("judge__name", "trace_id", "value")
    }


def _verdicts(judges: Sequence[Judge]) -> list[_Verdict]:
    """Valid verdicts of judges and programs on labelled traces, oldest first.

    Traces without a label are far more, and tell nothing here. Nor does what a version says of the traces that it,
    or a version it comes from, learnt from.
    """
    learnt = learnt_from(judges)
    verdicts = (
        _with_value(Assessment.objects.valid().filter(kind=Kind.FEEDBACK), judges)
        .exclude(source_type=Source.HUMAN)
        .filter(trace__in=Label.objects.filter(judge__in=judges).values("trace_id"))
        .order_by("created_at", "pk")
    )
    return [
        _Verdict(item=_item(name, trace), source=source, version=version, value=value)
        for name, trace, source, version, value in verdicts.values_list(
            "name", "trace_id", "source_id", "judge_version_id", "value"
        )
        if value is not None and (version, trace) not in learnt
    ]


def learnt_from(judges: Sequence[Judge]) -> set[tuple[int | None, int]]:
    """Pairs of a version's and a trace's pk: the version's instructions were made with that trace's label."""
    splits = dict(
        AlignmentRun.objects.filter(judge__in=judges, candidate__isnull=False).values_list(
            "candidate_id", "split"
        )
    )
    if not splits:
        return set()
    names: dict[int, set[str]] = {}
    versions = JudgeVersion.objects.filter(judge__in=judges).order_by("number")
    for version, parent in versions.values_list("pk", "parent_id"):
        split = splits.get(version, {})
        own = {*split.get("train", ()), *split.get("selection", ())}
        names[version] = own | names.get(parent, set())
    pks = dict(
        Trace.objects.filter(trace_id__in=set().union(*names.values())).values_list(
            "trace_id", "pk"
        )
    )
    return {
        (version, pks[trace_id])
        for version, trace_ids in names.items()
        for trace_id in trace_ids
        if trace_id in pks
    }


def _with_value(assessments: AssessmentQuerySet, judges: Sequence[Judge]) -> AssessmentQuerySet:
    return assessments.filter(
        trace__experiment__in={judge.experiment_id for judge in judges},
        name__in=[judge.name for judge in judges],
        span_id="",
        error_text="",
        declined_reason="",
    )


def _item(name: str, trace: int) -> str:
    return f"{trace} {name}"


# --- What is made of it


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """What several judges' values have in common: their list, their order, their sides."""

    choices: tuple[Value, ...] | None
    is_ordered: bool
    side_of: Callable[[Value], Side] | None

    @classmethod
    def of(cls, judges: Sequence[Judge]) -> _Scale:
        value_type, sides = judges[0].value_type, judges[0].sides
        if any(judge.value_type != value_type for judge in judges):
            return cls(choices=None, is_ordered=False, side_of=None)
        has_sides = sides.is_decided and all(judge.sides == sides for judge in judges)
        return cls(
            choices=value_type.choices or None,
            is_ordered=value_type.kind is ValueKind.CATEGORY and value_type.ordered,
            side_of=sides.side_of if has_sides else None,
        )

    def among_people(self, ratings: dict[str, ByPerson]) -> HumanAgreement:
        return among_people(ratings, order=self.choices if self.is_ordered else None)

    def compare(self, labels: ByItem, verdicts: ByItem) -> JudgeAgreement:
        return compare(
            labels, verdicts, self.choices, ordered=self.is_ordered, side_of=self.side_of
        )


def _by_source(verdicts: Iterable[_Verdict]) -> dict[str, ByItem]:
    """The newest verdict of each source on each item."""
    by_source: dict[str, ByItem] = defaultdict(dict)
    for verdict in verdicts:
        by_source[verdict.source][verdict.item] = verdict.value
    return dict(by_source)


def _by_version(
    judge: Judge, verdicts: list[_Verdict], labels: ByItem, scale: _Scale
) -> tuple[VersionAgreement, ...]:
    by_version: dict[int, ByItem] = defaultdict(dict)
    for verdict in verdicts:
        if verdict.version is not None:
            by_version[verdict.version][verdict.item] = verdict.value
    versions = JudgeVersion.objects.filter(judge=judge, pk__in=by_version).order_by("number")
    versions = versions.only("judge", "number")  # their memory may be large
    return tuple(
        VersionAgreement(version=version, agreement=scale.compare(labels, by_version[version.pk]))
        for version in versions
    )


def _tally(labels: ByItem) -> dict[str, int]:
    return dict(Counter(value_key(value) for value in labels.values()).most_common())


def _undefined(path: str, details: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Where in the tree of figures one is undefined, and the sentence why."""
    for name, figure in details.items():
        if "value" not in figure:
            yield from _undefined(f"{path}.{name}", figure)
        elif figure["value"] is None:
            yield f"{path}.{name}", figure["why"]
