"""Who may see which answers. Every page, list, filter and route that shows what was said of traces asks here.

Two rules. Experts see what a colleague answered only where they have answered themselves. And who has yet to answer in a
session that hides verdicts sees of that trace, under that judge's name, nobody's verdict, answer or label but their own,
whatever their role.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Exists, OuterRef, Q, QuerySet

from annotator.models.assignments import Assignment, AssignmentState
from annotator.models.feedback import (
    Assessment,
    AssessmentQuerySet,
    Kind,
    Label,
    Source,
    Visibility,
)
from annotator.models.judges import Judge
from annotator.models.people import Role, User
from annotator.models.sessions import Reviewer, SessionStatus
from annotator.models.traces import Trace, TraceQuerySet

_HIDING = (Visibility.BLIND, Visibility.REVEALED)
_BEFORE_THE_END = (SessionStatus.SCHEDULED, SessionStatus.OPEN, SessionStatus.GRACE)


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """What one person must not see yet.

    Attributes:
        by_name: The pks of traces by the name of the judge that the person has yet to answer for on them.
    """

    by_name: dict[str, frozenset[int]] = field(default_factory=dict)

    def __contains__(self, trace_and_name: tuple[int, str]) -> bool:
        trace, name = trace_and_name
        return trace in self.by_name.get(name, ())

    def traces_of(self, name: str) -> frozenset[int]:
        """The traces on which this judge's verdict, and the label, are hidden."""
        return self.by_name.get(name, frozenset())

    @property
    def traces(self) -> frozenset[int]:
        """The traces on which anything is hidden."""
        return frozenset().union(*self.by_name.values())


def hidden_from(user: User, *, traces: Iterable[int] | None = None) -> Hidden:
    """What the user must not see yet, on all traces or on those given by pk; in one query for who reviews nowhere."""
    # Programs ask with every search, and hardly any of them belongs to a reviewer.
    if not Reviewer.objects.filter(user=user, removed_at=None).exists():
        return Hidden()
    rows = Assignment.objects.of(user).filter(
        item__session__status__in=_BEFORE_THE_END, item__session__visibility__in=_HIDING
    )
    rows = rows.exclude(state=AssignmentState.DONE)
    if traces is not None:
        rows = rows.filter(item__trace__in=list(traces))
    answered = Assessment.objects.valid().filter(
        assignment=OuterRef("pk"), name=OuterRef("item__session__session_judges__judge__name")
    )
    by_name: dict[str, set[int]] = defaultdict(set)
    for trace, name in rows.filter(~Exists(answered)).values_list(
        "item__trace_id", "item__session__session_judges__judge__name"
    ):
        by_name[name].add(trace)
    return Hidden(by_name={name: frozenset(found) for name, found in by_name.items()})


def sees_everything(user: User, hidden: Hidden) -> bool:
    """Whether nothing that was said in the user's teams is kept from them, so that nothing need be filtered out.

    Args:
        user: Who looks.
        hidden: What `hidden_from` said.
    """
    return not hidden.by_name and all(user.has_role(team, Role.LEAD) for team in user.team_roles())


def visible_assessments(
    user: User, *, traces: Iterable[int] | None = None, hidden: Hidden | None = None
) -> AssessmentQuerySet:
    """The assessments that the user may see: of their teams, without what is hidden from them.

    Args:
        user: Who looks.
        traces: Only assessments of these traces, by pk.
        hidden: What `hidden_from` said, if it was asked already.
    """
    hidden = hidden_from(user, traces=traces) if hidden is None else hidden
    led = [team for team in user.team_roles() if user.has_role(team, Role.LEAD)]
    own = Q(author=user) | Q(source_id=user.username, source_type=Source.HUMAN)
    answered = Assessment.objects.human().filter(
        Q(author=user) | Q(source_id=user.username),
        trace=OuterRef("trace"),
        name=OuterRef("name"),
        span_id=OuterRef("span_id"),
    )
    of_a_judge = Judge.objects.filter(
        experiment=OuterRef("trace__experiment"), name=OuterRef("name")
    )
    rows = Assessment.objects.filter(trace__in=Trace.objects.visible_to(user))
    if len(led) < len(user.team_roles()):  # leads may see all, which need not be asked at each row
        rows = rows.filter(
            own
            | Q(trace__experiment__team__in=led)
            | ~Q(source_type=Source.HUMAN)
            | ~Q(kind=Kind.FEEDBACK)
            | Exists(answered)
            | ~Exists(of_a_judge)
        )
    if traces is not None:
        rows = rows.filter(trace__in=list(traces))
    for name, found in hidden.by_name.items():
        rows = rows.filter(own | ~Q(name=name, trace__in=found))
    return rows


def told_traces(user: User, judge: Judge, *, hidden: Hidden | None = None) -> TraceQuerySet:
    """The traces of which the user may know what colleagues answered under the judge's name, and so the label too.

    Args:
        user: Who looks; somebody of the judge's team.
        judge: Under whose name.
        hidden: What `hidden_from` said, if it was asked already.
    """
    hidden = hidden_from(user) if hidden is None else hidden
    traces = Trace.objects.filter(experiment=judge.experiment_id).exclude(
        pk__in=hidden.traces_of(judge.name)
    )
    if user.has_role(judge.experiment.team_id, Role.LEAD):
        return traces
    own = Assessment.objects.human().filter(
        Q(author=user) | Q(source_id=user.username),
        trace=OuterRef("pk"),
        name=judge.name,
        span_id="",
    )
    return traces.filter(Exists(own))


def visible_labels(user: User, judge: Judge, *, hidden: Hidden | None = None) -> QuerySet[Label]:
    """The labels of the judge that the user may see; arguments as `told_traces`."""
    hidden = hidden_from(user) if hidden is None else hidden
    labels = Label.objects.filter(judge=judge).exclude(trace__in=hidden.traces_of(judge.name))
    if user.has_role(judge.experiment.team_id, Role.LEAD):
        return labels  # without a join to the traces, of which there are many more
    return labels.filter(trace__in=told_traces(user, judge, hidden=hidden))
