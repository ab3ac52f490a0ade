"""What the builder opens with: a goal's usual plan, or a draft as it was left."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from annotator.models import (
    FeedbackSession,
    Goal,
    Judge,
    Membership,
    Preferences,
    RationaleRule,
    Trace,
    User,
)
from annotator.services.session_checks import SETTINGS
from annotator.services.session_plans import Mix, labels_missing, suggested_mix
from annotator.views.session_fields import MOST_WEIGHT, clock_at, experts_first
from annotator.views.session_forms import STRATUM

USUAL_GRACE_MINUTES = 60
OPEN_FOR = timedelta(days=3)
CLOSES_AT_HOUR = 17
MOST_PICKED = 500
MOST_LOOKED_AT = 12
_GOAL_NAMES = {
    Goal.BALANCE: "Balance",
    Goal.CALIBRATE: "Calibrate",
    Goal.DRIFT: "Drift check",
    Goal.SETTLE: "Settle",
    Goal.FREE: "Feedback",
}


def initial_for_goal(
    user: User, judges: Sequence[Judge], asked: Mapping[str, str], *, now: datetime
) -> dict[str, Any]:
    """The plan that a goal usually gets, for the judge that is asked for or the first.

    Args:
        asked: `goal`, `judge` (a pk), `traces` (trace ids with commas) and `total` (how many), all of which may be missing
            or wrong.
    """
    goal = (
        Goal(asked["goal"].upper())
        if asked.get("goal", "").upper() in Goal.values
        else Goal.BALANCE
    )
    judge = _judge(judges, asked.get("judge", ""), goal)
    seed = secrets.randbits(32)
    picked = picked_traces(judge, asked.get("traces", ""))
    fields = mix_fields(judge, goal, None, seed=seed)
    initial = flat(fields)
    if picked:
        initial.update(with_picked(picked))
    elif (wanted := asked.get("total", "")).isdecimal() and 0 < len(wanted) < 4:
        initial["total"] = max(1, int(wanted))
    total = int(initial["total"])
    preferences = Preferences.objects.filter(user=user).first()
    zone = (preferences or Preferences(user=user)).zone
    closes = clock_at(now + OPEN_FOR, zone).replace(hour=CLOSES_AT_HOUR, minute=0)
    people = list(
        User.objects.filter(memberships__team=judge.experiment.team_id, is_active=True).order_by(
            "first_name", "username"
        )
    )
    roles = dict(
        Membership.objects.filter(team=judge.experiment.team_id).values_list("user_id", "role")
    )
    reviewers = experts_first(people, roles)
    return {
        **initial,
        "name": f"{_GOAL_NAMES[goal]} {judge.name}, {now.astimezone(zone):%d %b}"[:200],
        "judges": [str(judge.pk)],
        "goal": goal.value,
        "reviewers": reviewers,
        "overlap": 1,
        "shared_items": total if goal == Goal.CALIBRATE else None,
        "third_opinion": True,
        "visibility": "BLIND",
        "rationale_rule": RationaleRule.ALWAYS if goal == Goal.SETTLE else RationaleRule.NEVER,
        "item_order": "SHUFFLED",
        "warm_up_items": 0,
        "take_more": True,
        "closes_at": closes,
        "time_zone": zone.key,
        "grace_minutes": USUAL_GRACE_MINUTES,
        "reminders": True,
        "knows_zone": preferences is not None,
    }


def _judge(judges: Sequence[Judge], asked: str, goal: Goal) -> Judge:
    """The judge asked for; else the first, to balance the first that lacks something."""
    for judge in judges:
        if str(judge.pk) == asked:
            return judge
    lacking = judges[:MOST_LOOKED_AT] if goal == Goal.BALANCE else []
    return next((judge for judge in lacking if labels_missing(judge)), judges[0])


def initial_for_draft(session: FeedbackSession, *, now: datetime) -> dict[str, Any]:
    """The plan as it was left. A copy, which has no traces yet, draws as many as the first session, and in its way."""
    judges = list(
        session.session_judges.select_related(
            "judge__experiment", "judge__current_version", "guideline"
        )
    )
    kept = _plan_of(session)
    if kept:
        mix = mix_from(kept, seed=session.seed)
    elif session.copied_from and (kept := _plan_of(session.copied_from)):
        mix = mix_from({**kept, "picked": (), "removed": ()}, seed=session.seed)
    else:
        mix = suggested_mix(judges[0].judge, session.goal, seed=session.seed, but=session)
        if session.copied_from and (size := session.copied_from.items.count()):
            mix = replace(mix, total=size)
    zone = session.zone
    closes = session.closes_at or now + OPEN_FOR
    people = session.reviewers.filter(removed_at=None).order_by("pk")
    return {
        **{name: getattr(session, name) for name in SETTINGS},
        **flat(fields_of(mix)),
        "judges": [str(each.judge_id) for each in judges],
        **{
            f"guideline_{each.judge_id}": str(each.guideline_id)
            for each in judges
            if each.guideline_id
        },
        "reviewers": [str(pk) for pk in people.values_list("user_id", flat=True)],
        "per_reviewer": kept.get("per_reviewer"),
        "opens_at": clock_at(session.opens_at, zone) if session.opens_at else None,
        "closes_at": clock_at(closes, zone),
        "knows_zone": True,
    }


def _plan_of(session: FeedbackSession) -> dict[str, Any]:
    """What the builder kept of the mix; empty for a session that another road made, such as a standing rule."""
    plan = session.selection.get("plan") if isinstance(session.selection, dict) else None
    return plan if isinstance(plan, dict) else {}


def mix_from(kept: Mapping[str, Any], *, seed: int) -> Mix:
    """A mix as `Mix.to_dict` wrote it."""
    weights = kept.get("weights")
    return Mix(
        total=kept["total"],
        random_share=kept["random_share"],
        by=tuple(kept["by"]),
        weights=None if weights is None else dict(weights),
        with_reviewed=kept["with_reviewed"],
        with_unjudged=kept["with_unjudged"],
        with_taken=kept["with_taken"],
        removed=frozenset(kept["removed"]),
        picked=tuple(kept["picked"]),
        seed=seed,
    )


def mix_fields(judge: Judge, goal: str, kept: Mix | None, *, seed: int) -> dict[str, list[str]]:
    """The form's fields for the mix that a goal usually gets; with `kept`, that one with the same weight for each stratum."""
    if kept is None:
        return fields_of(suggested_mix(judge, goal, seed=seed))
    fields = fields_of(kept)
    return {name: texts for name, texts in fields.items() if not name.startswith(STRATUM)}


def fields_of(mix: Mix) -> dict[str, list[str]]:
    """A mix as the form's fields; an empty list is a box that is not ticked."""
    fields = {
        "total": [str(mix.total)],
        "random_share": [str(round(100 * mix.random_share))],
        "by": list(mix.by),
        "with_reviewed": ["on"] if mix.with_reviewed else [],
        "with_unjudged": ["on"] if mix.with_unjudged else [],
        "with_taken": ["on"] if mix.with_taken else [],
        "removed": [",".join(map(str, sorted(mix.removed)))],
        "picked": [",".join(map(str, mix.picked))],
        "seed": [str(mix.seed)],
    }
    most = max((mix.weights or {}).values(), default=0.0)
    scale = MOST_WEIGHT / most if most else 1.0
    for name, weight in (mix.weights or {}).items():
        fields[f"{STRATUM}{name}"] = [str(round(weight * scale))]
    return fields


def flat(fields: Mapping[str, list[str]]) -> dict[str, Any]:
    """The same for a form that nobody has sent yet."""
    return {
        name: texts if name == "by" else (texts[0] if texts else "")
        for name, texts in fields.items()
    }


def picked_traces(judge: Judge, text: str) -> list[int]:
    """The pks of the traces that an address names by their ids, as far as they are the judge's."""
    ids = [part for part in text.split(",") if part and "\0" not in part][:MOST_PICKED]
    pks = dict(
        Trace.objects.filter(experiment=judge.experiment_id, trace_id__in=ids).values_list(
            "trace_id", "pk"
        )
    )
    return [pks[trace_id] for trace_id in dict.fromkeys(ids) if trace_id in pks]


def with_picked(picked: Sequence[int]) -> dict[str, Any]:
    """Fields that fill a session with these traces and no others."""
    return {
        "picked": ",".join(map(str, picked)),
        "total": len(picked),
        "with_reviewed": "on",
        "with_unjudged": "on",
    }
