"""The standing sample that drift is seen by: a rule that makes a blind session of random new verdicts from time to time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction
from django.db.models import QuerySet

from annotator.models import (
    Goal,
    Judge,
    RationaleRule,
    StandingRule,
    User,
    Visibility,
)
from annotator.services import log, standing_rules
from annotator.services.session_checks import SessionError
from annotator.services.sessions import create_session, set_reviewers, update_session


def watch(
    *,
    actor: User,
    judge: Judge,
    reviewers: Sequence[User],
    items: int = 20,
    every_days: int = 7,
    window_hours: int = 72,
) -> StandingRule:
    """Have these experts check a random sample of the judge's verdicts, blind, every so many days.

    New traces come first; where they are too few, earlier verdicts that nobody has looked at.

    A judge has one watch: a second call changes people and numbers, the rounds there were stay.

    Raises:
        SessionError: when nobody is to check, a person is not in the team, or a number is out of its bounds.
    """
    if not reviewers:
        raise SessionError("Choose who checks: at least one expert.", field="reviewers")
    settings = {
        "per_reviewer": max(1, items),
        "overlap": min(2, len(reviewers)),
        "shared_items": 0,
        "visibility": Visibility.BLIND,
        "rationale_rule": RationaleRule.NEVER,
    }
    with transaction.atomic():
        rule = rules_of(judge).first()
        template = rule.template if rule else None
        if template is None:
            template = create_session(
                actor=actor,
                experiment=judge.experiment,
                name=f"Check of {judge.name}"[:200],
                judges=[judge],
                goal=Goal.DRIFT,
                **settings,
            )
        else:
            update_session(actor=actor, session=template, **settings)
        set_reviewers(actor=actor, session=template, rooms=dict.fromkeys(reviewers))
        return standing_rules.set_rule(
            actor=actor,
            template=template,
            items=items,
            every_days=every_days,
            window_hours=window_hours,
            random_share=1.0,
        )


def stop(*, actor: User, judge: Judge) -> None:
    """Make no more rounds; those there were stay."""
    with transaction.atomic():
        if rules_of(judge).update(is_active=False):
            log.record(
                actor=actor,
                action="stopped the drift watch of",
                target=judge,
                team=judge.experiment.team,
                name=judge.name,
            )


def problems(judges: Iterable[Judge]) -> dict[int, str]:
    """Why the last round of each judge could not be made, by the judge's pk; only of those where it could not."""
    rules = StandingRule.objects.filter(
        template__goal=Goal.DRIFT, template__session_judges__judge__in=judges, is_active=True
    ).exclude(last_problem="")
    return dict(rules.values_list("template__session_judges__judge", "last_problem"))


def rules_of(judge: Judge) -> QuerySet[StandingRule]:
    """The active rule that makes the judge's rounds; none, or one."""
    return StandingRule.objects.filter(
        template__goal=Goal.DRIFT, template__session_judges__judge=judge, is_active=True
    ).select_related("template")
