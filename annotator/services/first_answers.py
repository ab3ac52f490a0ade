"""People's first answers, which alone say how far they agree, and the figures made of them.

What somebody says after having seen a verdict or a colleague's answer is no opinion of their own any more. Imported
answers carry no such history: of those the newest counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import DateTimeField, Exists, F, OuterRef, Q
from django.db.models import Value as Constant

from alignment.anchoring import FirstAnswer, SplitAgreement, ratings_of, split_by_visibility
from alignment.outliers import Outlier, outliers
from annotator.models import Assessment, FeedbackSession, Judge, Kind, Source, Trace
from annotator.models.feedback import AssessmentQuerySet
from judges.values import Value, ValueKind

_Given = tuple[str, int, str, Value | None, str, bool, datetime]


def split_agreement(judge: Judge, *, session: FeedbackSession | None = None) -> SplitAgreement:
    """Agreement of people among each other and with the judge as the answers come, apart by what they had seen.

    Under one judge's name, everywhere or in one session; in two queries.
    """
    value_type = judge.value_type
    is_ordered = value_type.kind is ValueKind.CATEGORY and value_type.ordered
    answers = first_answers([judge], session=session, with_verdicts=True)
    return split_by_visibility(answers, order=value_type.choices if is_ordered else None)


def outliers_of(judge: Judge, *, session: FeedbackSession | None = None) -> list[Outlier]:
    """Who answers decidedly otherwise than the colleagues; items are pks of traces. For leads; in one query."""
    answers = first_answers([judge], session=session)
    ratings = ratings_of(answers)
    return outliers({item.split(" ", 1)[0]: by_person for item, by_person in ratings.items()})


def first_ratings(judges: Sequence[Judge]) -> dict[str, dict[str, Value]]:
    """First answers by item (a trace's pk and the judge's name) and person, without the adjudicators'."""
    return ratings_of(first_answers(judges))


def first_values(judge: Judge, trace: Trace) -> dict[str, Value]:
    """What each person first said of one trace, by source id; in one query."""
    return {answer.person: answer.value for answer in first_answers([judge], traces=[trace.pk])}


def first_answers(
    judges: Sequence[Judge],
    *,
    session: FeedbackSession | None = None,
    traces: Sequence[int] | None = None,
    with_verdicts: bool = False,
) -> list[FirstAnswer]:
    """What each person first said of each trace under the judges' names; "cannot judge" is no answer.

    Args:
        judges: Of any experiments; who settles one of them by name is no rater of it.
        session: Only what was answered in it; None for everything.
        traces: Only these, by pk; None for all.
        with_verdicts: Whether to fetch the verdict there was at the time, for one more query.
    """
    # Undone before a second answer, it is still what the person said first.
    seconds = Assessment.objects.valid().filter(first_answer=OuterRef("pk"))
    rows = _of(judges, Source.HUMAN).filter(Q(withdrawn_at=None) | Exists(seconds))
    if session is not None:
        rows = rows.filter(assignment__item__session=session)
    if traces is not None:
        rows = rows.filter(trace__in=traces)
    given: dict[tuple[str, int, str], _Given] = {}
    final: dict[tuple[str, int, str], Value | None] = {}
    adjudicators = {(judge.name, judge.adjudicator) for judge in judges if judge.adjudicator}
    # SQLite keeps times as text: that of thousands of answers is only read where verdicts are told apart by it.
    at = F("created_at") if with_verdicts else Constant(None, output_field=DateTimeField())
    for row in rows.order_by("created_at", "pk").values_list(
        "name", "trace_id", "source_id", "value", "visibility", "valid", at
    ):
        name, trace, person, value, visibility, valid, _ = row
        if (name, person) in adjudicators:
            continue
        earlier = given.get((name, trace, person))
        if earlier is None or (not earlier[4] and (valid or visibility)):
            given[name, trace, person] = row
        if valid:
            final[name, trace, person] = value
    verdicts = _verdicts(judges) if with_verdicts else {}
    return [
        FirstAnswer(
            item=f"{trace} {name}",
            person=person,
            value=value,
            visibility=visibility,
            verdict=_verdict_at(verdicts[name, trace], given_at)
            if (name, trace) in verdicts
            else None,
            final=final.get((name, trace, person)),
        )
        for (name, trace, person), (_, _, _, value, visibility, _, given_at) in given.items()
        if value is not None
    ]


def _of(judges: Sequence[Judge], source: Source) -> AssessmentQuerySet:
    """Answers or verdicts under the judges' names, corrected ones too, without errors."""
    return Assessment.objects.filter(
        trace__experiment__in={judge.experiment_id for judge in judges},
        name__in=[judge.name for judge in judges],
        kind=Kind.FEEDBACK,
        source_type=source,
        span_id="",
        error_text="",
    )


def _verdicts(judges: Sequence[Judge]) -> dict[tuple[str, int], list[tuple[datetime, Value]]]:
    """Every verdict that was ever given on a trace that somebody answered, oldest first."""
    answered = _of(judges, Source.HUMAN).values("trace")
    rows = _of(judges, Source.LLM_JUDGE).filter(trace__in=answered).order_by("created_at", "pk")
    verdicts: dict[tuple[str, int], list[tuple[datetime, Value]]] = defaultdict(list)
    for name, trace, at, value in rows.values_list("name", "trace_id", "created_at", "value"):
        if value is not None:
            verdicts[name, trace].append((at, value))
    return verdicts


def _verdict_at(verdicts: Iterable[tuple[datetime, Value]], at: datetime) -> Value | None:
    """The newest verdict up to that time, else the first one after it."""
    found: Value | None = None
    for given_at, value in verdicts:
        if given_at > at and found is not None:
            break
        found = value
        if given_at > at:
            break
    return found
