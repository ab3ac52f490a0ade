"""A person's own answers against what was settled since. Shown to that person alone."""

from __future__ import annotations

from dataclasses import dataclass

from alignment.labels import LabelRule
from annotator.models import Assessment, FeedbackSession, Judge, Label, User
from judges.values import Value


@dataclass(frozen=True, kw_only=True)
class SettledAnswer:
    """An answer of the person's on a trace that more than one person's answers, or an adjudicator, have settled."""

    trace_id: str
    words: str
    judge: Judge
    mine: Value
    settled: Value
    settled_by: str
    agrees: bool


def settled_answers(*, user: User, session: FeedbackSession) -> list[SettledAnswer]:
    """The user's answers in the session that are settled by now, the newest first; in four queries."""
    judges = {
        each.judge.name: each.judge
        for each in session.session_judges.select_related("judge__current_version")
    }
    answers = list(
        Assessment.objects.human()
        .filter(author=user, assignment__item__session=session, span_id="", declined_reason="")
        .select_related("trace")
        .order_by("-created_at", "-pk")
    )
    labels = {
        (label.trace_id, label.judge_id): label
        for label in Label.objects.filter(
            trace__in=[answer.trace_id for answer in answers], judge__in=list(judges.values())
        )
        # A label of one vote is the person's own answer again.
        if label.rule == LabelRule.ADJUDICATED or sum(label.votes.values()) > 1
    }
    sources = {source for label in labels.values() for source in label.settled_by.split(", ")}
    names = {each.username: str(each) for each in User.objects.filter(username__in=sources)}
    found = []
    for answer in answers:
        judge = judges.get(answer.name)
        label = labels.get((answer.trace_id, judge.pk)) if judge else None
        if judge is None or label is None:
            continue
        found.append(
            SettledAnswer(
                trace_id=answer.trace.trace_id,
                words=answer.trace.request_preview or answer.trace.trace_id,
                judge=judge,
                mine=answer.value,
                settled=label.value,
                settled_by=", ".join(
                    names.get(each, each) for each in label.settled_by.split(", ")
                ),
                agrees=answer.value_key == label.value_key,
            )
        )
    return found
