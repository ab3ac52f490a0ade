"""One more person for an item on which those who were to answer it are tied."""

from __future__ import annotations

from datetime import datetime

from django.db.models import F

from annotator import handout
from annotator.models import (
    WAITING,
    Assessment,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Item,
    Reviewer,
    Settlement,
)
from annotator.services import session_mail
from annotator.services.sessions import loads


def ask_third(item: Item, session: FeedbackSession, now: datetime) -> None:
    """Where the answers are tied, give the item to who has the least to do; call it while the item is locked."""
    counted = Assignment.objects.filter(item=item, state=AssignmentState.DONE, is_extra=False)
    answers: dict[str, list[str]] = {}
    given = Assessment.objects.human().filter(assignment__in=counted, span_id="")
    for name, key in given.values_list("name", "value_key"):
        answers.setdefault(name, []).append(key)
    if not handout.wants_third_opinion(answers, wanted=item.wanted):
        return
    judges = session.session_judges.values("judge")
    settled = Settlement.objects.in_force().filter(trace=item.trace_id, judge__in=judges)
    if settled.count() == judges.count():
        return
    free = list(
        Reviewer.objects.filter(session=session, removed_at=None)
        .exclude(assignments__item=item)
        .select_related("user")
        .order_by("pk")
    )
    waiting = Assignment.objects.filter(
        reviewer__in=free, state__in=WAITING, given_back_at=None
    ).values_list("reviewer", flat=True)
    here = list(waiting)
    elsewhere = loads([reviewer.user for reviewer in free], but=session)
    chosen = handout.third_reader(
        [handout.Person(key=each.pk, room=0, load=elsewhere.get(each.user_id, 0)) for each in free],
        busy={each.pk: here.count(each.pk) for each in free},
        seed=session.seed + item.pk,
    )
    if chosen is None:
        return
    Item.objects.filter(pk=item.pk).update(wanted=F("wanted") + 1, has_third_opinion=True)
    reviewer = next(each for each in free if each.pk == chosen)
    last = reviewer.assignments.order_by("-position").values_list("position", flat=True).first()
    Assignment.objects.create(
        item=item,
        reviewer=reviewer,
        position=0 if last is None else last + 1,
        is_third_opinion=True,
    )
    session_mail.tell_moved(session, {reviewer.user: 1}, now=now)
