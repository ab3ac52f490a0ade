"""What a session's settings must fulfil, checked with sentences for the lead who filled them in."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import TextChoices

from annotator.models import FeedbackSession, Goal, ItemOrder, RationaleRule, Visibility
from annotator.models.sessions import MOST_OVERLAP
from judges.answers import clean_text

MOST_ITEMS = 5000
MOST_PER_REVIEWER = 500
MOST_GRACE_MINUTES = 7 * 24 * 60

SETTINGS = (
    "name", "note", "goal", "per_reviewer", "overlap", "shared_items", "warm_up_items", "third_opinion", "visibility",
    "rationale_rule", "item_order", "opens_at", "closes_at", "grace_minutes", "time_zone", "reminders", "take_more", "seed",
)  # fmt: skip
# What may still change once people have been told; the rest is changed through `session_changes`.
AFTER_SCHEDULING = ("name", "note", "reminders", "take_more")

_BOUNDS = {
    "per_reviewer": (1, MOST_PER_REVIEWER, "items per reviewer"),
    "overlap": (1, MOST_OVERLAP, "people per item"),
    "shared_items": (0, MOST_PER_REVIEWER, "shared items"),
    "warm_up_items": (0, 20, "warm-up items"),
    "grace_minutes": (0, MOST_GRACE_MINUTES, "minutes of extra time"),
}


_CHOICES: dict[str, type[TextChoices]] = {
    "goal": Goal,
    "visibility": Visibility,
    "rationale_rule": RationaleRule,
    "item_order": ItemOrder,
}


class SessionError(ValueError):
    """A session cannot be made, changed or answered in this way; `field` says where the remedy lies."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def checked_settings(session: FeedbackSession, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings as they are stored.

    Raises:
        SessionError: when there is no such setting, or one is out of its bounds or does not go with another.
    """
    unknown = sorted(set(settings) - set(SETTINGS))
    if unknown:
        raise SessionError(f"A session has no setting “{unknown[0]}”.", field=unknown[0])
    settings = {
        name: clean_text(value).strip() if isinstance(value, str) else value
        for name, value in settings.items()
    }
    together = {name: settings.get(name, getattr(session, name)) for name in SETTINGS}
    if not together["name"] or len(together["name"]) > 200:
        raise SessionError("Give the session a name of at most 200 characters.", field="name")
    for name, (low, high, words) in _BOUNDS.items():
        if not low <= together[name] <= high:
            raise SessionError(f"Choose from {low} to {high} {words}.", field=name)
    for name, choices in _CHOICES.items():
        if together[name] not in choices.values:
            raise SessionError(f"“{together[name]}” cannot be chosen here.", field=name)
    _check_combination(together)
    return settings


def _check_combination(together: dict[str, Any]) -> None:
    if together["shared_items"] > together["per_reviewer"]:
        raise SessionError(
            f"{together['shared_items']} shared items do not fit into batches of {together['per_reviewer']}; "
            "share fewer or make the batches bigger.",
            field="shared_items",
        )
    if (
        together["rationale_rule"] == RationaleRule.ON_DISAGREEMENT
        and together["visibility"] == Visibility.BLIND
    ):
        # Asking for a reason would tell the reviewer what the judge said.
        raise SessionError(
            "While the verdict stays hidden, nobody can be asked for a reason when they disagree with it; "
            "ask always or never, or show the verdict after the answer.",
            field="rationale_rule",
        )
    opens, closes = together["opens_at"], together["closes_at"]
    if opens and closes and closes <= opens:
        raise SessionError("The session must close after it opens.", field="closes_at")
    try:
        ZoneInfo(together["time_zone"])
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SessionError(
            f"There is no time zone “{together['time_zone']}”; write it as Europe/Berlin.",
            field="time_zone",
        ) from None
