"""The activity log: every write leaves a row."""

from __future__ import annotations

from typing import Any

from django.db import models

from annotator.models import ActivityLog, Team, User


def record(
    *,
    actor: User | None,
    action: str,
    target: models.Model,
    team: Team | None,
    name: str = "",
    before: Any = None,
    after: Any = None,
) -> ActivityLog:
    """Write one row; `actor` None is the system itself, `action` a verb in the past ("corrected")."""
    return ActivityLog.objects.create(
        team=team,
        actor=actor,
        action=action,
        target_kind=target._meta.model_name or "",
        target_id=str(target.pk),
        target_name=name[:300],
        before=before,
        after=after,
    )
