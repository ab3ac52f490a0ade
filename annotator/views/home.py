"""The first page, by role: what to review next, what runs, what was decided; and the experts' guide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from annotator.http import AuthedRequest
from annotator.models import LIVE, AlignmentRun, Assessment, Experiment, Judge, Role, Trace, User
from annotator.permissions import highest_role
from annotator.presenters.markdown import to_html
from annotator.views.batches import batch_rows
from annotator.views.judge_rows import JudgeRow, judge_rows, listed_runs
from annotator.views.sessions import due_sessions

MOST_JUDGES = 12
MOST_DECISIONS = 5


@dataclass(frozen=True, kw_only=True)
class JudgeToReview:
    """A judge on the first page, with how many traces the reader has answered under its name."""

    row: JudgeRow
    mine: int
    may_lead: bool


@require_safe
def home(request: AuthedRequest) -> HttpResponse:
    """What waits for the reader."""
    user = request.user
    judges = list(
        Judge.objects.visible_to(user)
        .filter(current_version__isnull=False)
        .select_related("experiment__team", "current_version")
        .order_by("experiment__name", "name")
    )
    runs = listed_runs(AlignmentRun.objects.visible_to(user))
    role = highest_role(user)
    now = timezone.now()
    context = {
        "batches": batch_rows(user, running_only=True),
        "sessions": due_sessions(user, now=now),
        "judges": _to_review(judges[:MOST_JUDGES], user),
        "more_judges": max(0, len(judges) - MOST_JUDGES),
        "live_runs": list(runs.filter(status__in=LIVE)),
        "awaiting": list(runs.filter(decision=AlignmentRun.Decision.OPEN))
        if role == Role.ADMIN
        else [],
        "decided": list(runs.exclude(status__in=LIVE).exclude(outcome="")[:MOST_DECISIONS]),
        "has_traces": Trace.objects.visible_to(user).exists(),
        "experiments": Experiment.objects.visible_to(user).count(),
        "role": role,
    }
    return render(request, "home.html", context)


@require_safe
def guide(request: AuthedRequest) -> HttpResponse:
    """How to review, from the documentation; its own title gives way to the page's."""
    _, _, text = (settings.BASE_DIR / "docs" / "reviewing.md").read_text("utf-8").partition("\n")
    return render(request, "guide.html", {"guide": to_html(text, first_level=1, breaks=False)})


def _to_review(judges: list[Judge], user: User) -> list[JudgeToReview]:
    answered: dict[Any, int] = dict(
        Assessment.objects.human()
        .filter(
            source_id=user.username,
            span_id="",
            trace__experiment__in={judge.experiment_id for judge in judges},
        )
        .values_list("name")
        .annotate(Count("pk"))
    )
    return [
        JudgeToReview(
            row=row,
            mine=answered.get(row.judge.name, 0),
            may_lead=user.has_role(row.judge.experiment.team_id, Role.LEAD),
        )
        for row in judge_rows(judges, now=timezone.now())
    ]
