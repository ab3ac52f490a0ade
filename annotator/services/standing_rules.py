"""Rules that make a session from time to time, filled with traces that came since the last one."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from alignment.sampling import LEAST_RANDOM_SHARE, Candidate, Sample
from annotator.models import FeedbackSession, Goal, SessionStatus, StandingRule, User
from annotator.services import candidates, log
from annotator.services.drift_rounds import ask_for_verdicts
from annotator.services.session_checks import SessionError
from annotator.services.session_states import schedule_session
from annotator.services.sessions import Pick, copy_session, set_items, update_session

NEW, EARLIER = "new traces", "earlier verdicts"


def set_rule(
    *,
    actor: User,
    template: FeedbackSession,
    items: int,
    every_days: int,
    window_hours: int,
    random_share: float = 1.0,
    first_at: datetime | None = None,
    is_active: bool = True,
) -> StandingRule:
    """Have sessions like the template made every so many days; one rule a template, set anew by a second call.

    Args:
        items: How many new traces each session takes at most.
        random_share: The share of them drawn at random, above 0 to 1; the rest goes to what the judge lacks.
        first_at: When the first is made; by default, one interval from now.

    Raises:
        SessionError: when a number is out of its bounds.
    """
    if not (1 <= items <= 500 and 1 <= every_days <= 366 and 1 <= window_hours <= 24 * 60):
        raise SessionError(
            "Choose 1 to 500 traces, every 1 to 366 days, for 1 hour to 60 days.", field="items"
        )
    if not 0 < random_share <= 1:
        raise SessionError("The random share must be above 0 and at most 1.", field="random_share")
    next_at = first_at or timezone.now() + timedelta(days=every_days)
    with transaction.atomic():
        rule, _ = StandingRule.objects.update_or_create(
            template=template,
            defaults={
                "items": items,
                "every_days": every_days,
                "window_hours": window_hours,
                "random_share": random_share,
                "next_at": next_at,
                "is_active": is_active,
                "last_problem": "",
                "created_by": actor,
            },
        )
        log.record(
            actor=actor,
            action="set the rule of",
            target=template,
            team=template.experiment.team,
            name=template.name,
            after={
                "items": items,
                "every_days": every_days,
                "window_hours": window_hours,
                "random_share": random_share,
                "is_active": is_active,
                "next_at": next_at.isoformat(),
            },
        )
    return rule


def make_due(*, now: datetime) -> list[FeedbackSession]:
    """Make the sessions that are due, each once."""
    made = []
    for rule in StandingRule.objects.filter(is_active=True, next_at__lte=now).order_by("next_at"):
        session = _make(rule, now)
        if session is not None:
            made.append(session)
    return made


def _make(rule: StandingRule, now: datetime) -> FeedbackSession | None:
    due = StandingRule.objects.filter(pk=rule.pk, next_at=rule.next_at, is_active=True)
    try:
        with transaction.atomic():
            # The claim and the session stand or fall together: a worker that dies here leaves the rule due.
            if not due.update(next_at=now + timedelta(days=rule.every_days), last_problem=""):
                return None
            return _filled(rule, now)
    except SessionError as error:
        # Nobody is there to read a message; the lead sees it beside the rule, and it is tried again next time.
        due.update(next_at=now + timedelta(days=rule.every_days), last_problem=str(error)[:300])
        return None


def _filled(rule: StandingRule, now: datetime) -> FeedbackSession:
    template = rule.template
    session = copy_session(actor=None, session=template)
    sample = _sample(rule, session, now)
    update_session(
        actor=None,
        session=session,
        name=f"{template.name}, {now.astimezone(template.zone):%d %B %Y}"[:200],
        opens_at=now,
        closes_at=now + timedelta(hours=rule.window_hours),
    )
    set_items(
        actor=None,
        session=session,
        picks=[
            Pick(trace=pick.item, stratum=pick.stratum, probability=pick.probability)
            for pick in sample.picks
        ],
        selection=sample.to_dict(),
    )
    session.rule = rule
    session.save(update_fields=["rule"])
    StandingRule.objects.filter(pk=rule.pk).update(since=now)
    schedule_session(actor=None, session=session, now=now, allow_short=True)
    if session.status == SessionStatus.DRAFT:
        raise SessionError("The session could not be opened.")
    if session.goal == Goal.DRIFT:
        ask_for_verdicts(session)
    return session


def _sample(rule: StandingRule, session: FeedbackSession, now: datetime) -> Sample:
    """New traces; for a check of verdicts also earlier ones that nobody has looked at, where the new ones are too few.

    Raises:
        SessionError: when there is nothing to draw from.
    """
    seed = secrets.randbits(32)
    new = candidates.candidates(session, since=rule.since, until=now)
    if session.goal != Goal.DRIFT or len(new) >= rule.items:
        if not new:
            raise SessionError("No new traces came since the last session.")
        return candidates.drawn(new, size=rule.items, random_share=rule.random_share, seed=seed)
    frame = [Candidate(item=each.item, stratum=NEW) for each in new]
    frame += [
        Candidate(item=trace, stratum=EARLIER)
        for trace in candidates.verdicts_nobody_checked(session, until=rule.since)
    ]
    if not frame:
        raise SessionError(
            "No new traces came, and every earlier verdict has been looked at: there is nothing to check."
        )
    return candidates.drawn(
        frame, size=rule.items, random_share=LEAST_RANDOM_SHARE, weights={NEW: 1.0}, seed=seed
    )
