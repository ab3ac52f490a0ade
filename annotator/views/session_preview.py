"""What the builder shows beside the form: the traces drawn, what they would bring, and who would get how many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alignment.sides import Side
from annotator import handout
from annotator.models import FeedbackSession, Judge, Membership, Role, Trace
from annotator.presenters.session_rows import Part, clock
from annotator.presenters.words import count, percent
from annotator.services.candidate_facts import MOST_CANDIDATES
from annotator.services.session_plans import BY_HAND, Outlook, outlook
from annotator.services.sessions import loads
from annotator.views.session_fields import batch_that_fits, shared_that_fits
from annotator.views.session_forms import DIMENSIONS, STRATUM, SessionForm

SHOWN_ITEMS = 100
_SIDES = ((Side.POSITIVE, "positive"), (Side.NEUTRAL, "neutral"), (Side.NEGATIVE, "negative"))
_FACETS = {
    "verdict": "Verdict",
    "side": "Side",
    "review": "Review",
    "disagreement": "Disagreement",
    "boundary": "Boundary",
}


@dataclass(frozen=True, kw_only=True)
class MixRow:
    """A stratum with its slider."""

    name: str
    field: str
    id: str
    size: int
    weight: str


@dataclass(frozen=True, kw_only=True)
class MixBar:
    """Labels by side in a bar whose whole is `total`, and in words."""

    parts: tuple[Part, ...]
    words: str


def outlook_of(form: SessionForm, *, but: FeedbackSession | None = None) -> Outlook | None:
    """What the form as it stands would draw; None while no judge is chosen."""
    return outlook(form.judge, form.mix(), but=but) if form.judge else None


def mix_rows(form: SessionForm, found: Outlook | None) -> dict[str, Any]:
    """The strata with their sliders, how many candidates each fact holds for, and the tags that tell traces apart."""
    if found is None:
        return {"mix": [], "facets": []}
    weights = _weights_shown(form)
    rows = [
        MixRow(
            name=each.name,
            field=f"{STRATUM}{each.name}",
            id=f"mix-{position}",
            size=each.size,
            weight=weights.get(each.name, "0" if weights else "10"),
        )
        for position, each in enumerate(found.strata)
    ]
    return {
        "mix": rows,
        "facets": [
            {"name": _FACETS.get(name, name.removeprefix("tag:")), "words": words.items()}
            for name, words in found.facets.items()
            if words
        ],
        "by_choices": _by_choices(form, found),
        "left_out": _left_out(found),
        "picked_count": len(form.mix().picked),
    }


def preview(
    form: SessionForm, found: Outlook | None, *, but: FeedbackSession | None = None
) -> dict[str, Any]:
    """The part beside the form, as far as what was typed allows it."""
    judge = form.judge
    if judge is None or found is None:
        return {"why_empty": "Choose a judge, and you see here what the session would draw."}
    mix = form.mix()
    ctx: dict[str, Any] = {
        "picked_total": len(found.picks),
        "wanted_total": mix.total,
        "removed": ",".join(str(pk) for pk in sorted(mix.removed)),
        "removed_count": len(mix.removed),
        "strata": [
            {
                "name": each.name,
                "expected": f"{each.expected:.0f}"
                if each.expected >= 0.5 or not each.expected
                else "< 1",
                "size": each.size,
                "share": percent(each.expected / len(found.picks)) if found.picks else "",
                "width": round(100 * each.expected / max(1, len(found.picks)), 2),
            }
            for each in found.strata
        ],
        "items": _items(found),
        "more_items": max(0, len(found.picks) - SHOWN_ITEMS),
        **_readiness(judge, found),
        **_division(form, found, but=but),
    }
    return ctx


def people_rows(form: SessionForm, *, but: FeedbackSession | None = None) -> list[dict[str, Any]]:
    """Everybody who can review, with what they have to do elsewhere."""
    carried = loads(form.people, but=but)
    teams = {judge.experiment.team_id for judge in form.chosen or form.all_judges}
    roles = dict(Membership.objects.filter(team__in=teams).values_list("user_id", "role"))
    chosen = {user.pk for user in form.reviewers_chosen}
    return [
        {
            "pk": user.pk,
            "name": str(user),
            "role": Role(roles[user.pk]).label.lower() if user.pk in roles else "",
            "load": f"{count(carried[user.pk], 'item')} to do elsewhere"
            if carried.get(user.pk)
            else "nothing to do elsewhere",
            "is_chosen": user.pk in chosen,
        }
        for user in form.people
    ]


def _weights_shown(form: SessionForm) -> dict[str, str]:
    source = form.data if form.is_bound else form.initial
    return {
        name.removeprefix(STRATUM): str(value)
        for name, value in source.items()
        if name.startswith(STRATUM)
    }


def _by_choices(form: SessionForm, found: Outlook) -> list[dict[str, Any]]:
    chosen = set(form.mix().by)
    tags = [
        (name, f"the tag {name.removeprefix('tag:')}")
        for name in found.facets
        if name.startswith("tag:")
    ]
    return [
        {"value": value, "text": text, "is_on": value in chosen}
        for value, text in (*DIMENSIONS, *tags)
    ]


def _left_out(found: Outlook) -> list[str]:
    sentences = []
    if found.left_out["reviewed"]:
        sentences.append(
            f"{count(found.left_out['reviewed'], 'trace')} with feedback or a label already"
        )
    if found.left_out["unjudged"]:
        sentences.append(f"{count(found.left_out['unjudged'], 'trace')} without a verdict")
    if found.is_of_newest:
        sentences.append(
            f"all but the newest {MOST_CANDIDATES:,} traces; every number here is of those"
        )
    if found.taken:
        sentences.append(f"{count(found.taken, 'trace')} in another session that is not over")
    return sentences


def _items(found: Outlook) -> list[dict[str, Any]]:
    shown = found.picks[:SHOWN_ITEMS]
    traces = Trace.objects.filter(pk__in=[pick.trace for pick in shown]).without_content().in_bulk()
    return [
        {
            "pk": pick.trace,
            "words": traces[pick.trace].request_preview or traces[pick.trace].trace_id,
            "stratum": "" if pick.stratum == BY_HAND else pick.stratum,
            "is_taken": pick.trace in found.taken_traces,
        }
        for pick in shown
        if pick.trace in traces
    ]


def _readiness(judge: Judge, found: Outlook) -> dict[str, Any]:
    if found.before is None:
        return {"no_sides": True}
    thresholds = judge.thresholds
    before = {side: float(found.before.by_side.get(side, 0)) for side in Side}
    scale = max(thresholds.minimum, sum(found.after.values()), 1.0)
    missing = found.missing_after
    return {
        "readiness_before": _side_bar(before, scale),
        "readiness_after": _side_bar(found.after, scale),
        "minimum_at": round(100 * thresholds.minimum / scale, 2),
        "is_ready_after": not missing,
        "readiness_sentence": "Then it is likely to be ready to be aligned."
        if not missing
        else f"Then it is likely to lack {', '.join(missing)}.",
    }


def _side_bar(sides: Any, scale: float) -> MixBar:
    parts: list[Part] = []
    at = 0.0
    for side, name in _SIDES:
        width = 100 * sides.get(side, 0.0) / scale
        if width:
            parts.append(Part(kind=name, x=round(at, 2), width=round(width, 2)))
        at += width
    words = ", ".join(
        f"{sides.get(side, 0.0):.0f} {name}"
        for side, name in _SIDES
        if side is not Side.NEUTRAL or sides.get(side, 0.0) >= 0.5
    )
    return MixBar(parts=tuple(parts), words=words)


def _division(form: SessionForm, found: Outlook, *, but: FeedbackSession | None) -> dict[str, Any]:
    """Who would get how many, divided as the hand-out will do it."""
    people, total = form.reviewers_chosen, len(found.picks)
    usual = shared_that_fits(total=total, people=len(people))
    overlap, shared = _typed(form, "overlap", 1), min(_typed(form, "shared_items", usual), total)
    if not people or not total or overlap > len(people):
        return {"division": []}
    each = _typed(form, "per_reviewer", 0) or batch_that_fits(
        total=total, people=len(people), overlap=overlap, shared=shared
    )
    carried = loads(people, but=but)
    plan = handout.hand_out(
        [handout.Work(item=item, wanted=overlap, is_shared=item < shared) for item in range(total)],
        [handout.Person(key=user.pk, room=each, load=carried.get(user.pk, 0)) for user in people],
        seed=form.mix().seed,
    )
    return {
        "division": [{"who": str(user), "total": len(plan.batches[user.pk])} for user in people],
        "division_shared": shared,
        "division_answers": plan.answers,
        "division_missing": plan.missing,
        "division_cost": f"{plan.answers / total:.1f}",
        "window": _window(form),
    }


def _typed(form: SessionForm, name: str, otherwise: int) -> int:
    if form.is_bound:
        found = form.cleaned_data.get(name)
        return otherwise if found is None else int(found)
    initial = form.initial.get(name)
    return otherwise if initial in (None, "") else int(initial)


def _window(form: SessionForm) -> str:
    if not form.is_bound or not form.cleaned_data.get("closes_at"):
        return ""
    closes, opens = form.cleaned_data["closes_at"], form.cleaned_data.get("opens_at")
    if closes.tzinfo is None:
        return ""
    begin = clock(opens, form.zone) if opens and opens.tzinfo else "as soon as it is scheduled"
    return f"{begin} to {clock(closes, form.zone)} ({form.zone.key})"
