"""Figures of a judge, worked out once for each state of what they rest on, however often somebody looks.

The tables are asked for that state at every look, and nobody has to say that something has changed: whichever process
wrote, and by whatever way, figures of an earlier state are never found again.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

from django.core.cache import caches
from django.db.models import BooleanField, Count, ExpressionWrapper, F, Max, Q, QuerySet, Sum

from annotator.models import Assessment, Judge, Kind, Label, Settlement, Source
from annotator.models.feedback import AssessmentQuerySet
from annotator.services.readiness import review_pool

Figures = TypeVar("Figures")

_KEPT_SECONDS = 24 * 3_600
_PRIME = 2_147_483_629

# No figure rests on these; the last one changes with every answer, and again when a worker has looked.
_BESIDES = ("description", "created_by_id", "created_at", "readiness_due_at")

_IS_GIVEN = ExpressionWrapper(Q(value__isnull=False), output_field=BooleanField())
_IS_ERROR = ExpressionWrapper(~Q(error_text=""), output_field=BooleanField())
_IS_WITHDRAWN = ExpressionWrapper(Q(withdrawn_at__isnull=False), output_field=BooleanField())


class KeptFigures:
    """The figures of one judge in the state in which it is now.

    Attributes:
        judge: Whose.
        state: A digest of all that its figures rest on.
    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.state = state_of(judge)

    def get(self, work_out: Callable[[Judge], Figures]) -> Figures:
        """What the function makes of the judge, worked out or found.

        Args:
            work_out: Reads nothing but what `state_of` asks for.
        """
        # Under one name for all states, because those of earlier ones are of no use any more and may be large.
        key = f"{self.judge.pk}:{work_out.__module__}.{work_out.__qualname__}"
        kept: tuple[str, Figures] | None = caches["figures"].get(key)
        if kept is not None and kept[0] == self.state:
            return kept[1]
        figures = work_out(self.judge)
        # What was written meanwhile may be in the figures, and be undone later: then they are of no state at all.
        if state_of(self.judge) == self.state:
            caches["figures"].set(key, (self.state, figures), _KEPT_SECONDS)
        return figures


def state_of(judge: Judge) -> str:
    """A digest that differs after every write that can change a figure of the judge; in seven queries.

    It covers the judge as it was read, its runs, labels and settlements, everything that was said under its name on
    traces that people have looked at, and the traces to review next. Versions and guidelines never change.
    """
    feedback = Assessment.objects.filter(kind=Kind.FEEDBACK)
    # In the order of `human()`, from which SQLite takes the index of the few answers and not that of all verdicts.
    given, corrected = (
        feedback.filter(source_type=Source.HUMAN)
        .filter(valid=valid)
        .filter(name=judge.name, span_id="")
        for valid in (True, False)
    )
    settlements = Settlement.objects.in_force().filter(judge=judge)
    looked_at = given.values("trace").union(
        corrected.values("trace"), settlements.values("trace"), all=True
    )
    verdicts = feedback.filter(name=judge.name, span_id="", trace__in=looked_at)
    verdicts = verdicts.exclude(source_type=Source.HUMAN)
    facts = [
        [
            (field.attname, getattr(judge, field.attname))
            for field in judge._meta.concrete_fields
            if field.attname not in _BESIDES
        ],
        list(judge.guidelines.order_by("pk").values_list("pk")),
        list(judge.runs.order_by("pk").values_list("pk", "status", "candidate")),
        _answers(given),
        _answers(corrected),
        _rows(Label.objects.filter(judge=judge), "value_key", at="settled_at"),
        _rows(settlements, "value_key", "guideline", at="settled_at"),
        _rows(
            verdicts.annotate(is_given=_IS_GIVEN, is_error=_IS_ERROR),
            *("source_type", "source_id", "judge_version", "value_key", "valid"),
            *("is_given", "is_error"),
            at="updated_at",
        ),
        list(review_pool(judge).values_list("pk", "value_key")),
    ]
    return sha256(repr(facts).encode(errors="surrogatepass")).hexdigest()


def _answers(answers: AssessmentQuerySet) -> list[tuple[Any, ...]]:
    return _rows(
        answers.annotate(is_given=_IS_GIVEN, is_error=_IS_ERROR, is_withdrawn=_IS_WITHDRAWN),
        *("source_id", "value_key", "guideline", "visibility"),
        *("is_given", "is_error", "is_withdrawn"),
        at="updated_at",
    )


def _rows(rows: QuerySet[Any], *columns: str, at: str) -> list[tuple[Any, ...]]:
    """Which rows there are of each kind, told by sums of their keys, and when the last of them was written.

    Rows that come, go or change their kind change a sum; the sum of the remainders changes too where some come and
    others go whose keys happen to add up.
    """
    kinds = rows.order_by(*columns).values_list(*columns)
    return list(
        kinds.annotate(
            Count("pk"), Sum("pk"), remainders=Sum(F("pk") * F("pk") % _PRIME), last=Max(at)
        )
    )
