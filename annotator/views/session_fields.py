"""Fields that the forms of sessions are made of: a moment on somebody's clock, and who can be chosen for what."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import cast
from zoneinfo import ZoneInfo, available_timezones

from django import forms

from annotator.models import Role, User

CLOCK_FORMATS = ("%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S")
CLOCK_ERROR = "Write the day and the time as 2026-03-31 17:00."
_NO_PLACES = ("Etc/", "SystemV/", "posix", "right/", "localtime", "Factory")

MOST_WEIGHT = 100
USUAL_SHARED = 3
# Of the answers that it takes without any that are shared.
MOST_EXTRA = 0.3


def time_zones() -> list[tuple[str, str]]:
    """The time zones by place, UTC first; without the doublets that carry no place."""
    places = sorted(
        name for name in available_timezones() if "/" in name and not name.startswith(_NO_PLACES)
    )
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in places)]


def offer(form: forms.Form, name: str, choices: Sequence[tuple[str, str]]) -> None:
    """Let a field choose from these."""
    cast(forms.ChoiceField, form.fields[name]).choices = list(choices)


class ClockField(forms.CharField):
    """What a clock on the wall shows, without a time zone: a naive datetime, or None."""

    widget = forms.DateTimeInput(
        attrs={"type": "datetime-local", "class": "input"}, format="%Y-%m-%dT%H:%M"
    )

    def clean(self, value: object) -> datetime | None:
        text = super().clean(value)
        if not text:
            return None
        for pattern in CLOCK_FORMATS:
            try:
                moment = datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone is another field
            except ValueError:
                continue
            if 1990 <= moment.year < 9000:
                return moment
        raise forms.ValidationError(CLOCK_ERROR)


def moment_at(clock: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which the clocks in a time zone show a time.

    Raises:
        ValueError: when they never do, because they are put forward over it.
    """
    moment = clock.replace(tzinfo=zone)
    if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != clock:
        raise ValueError(
            f"On that day the clocks in {zone.key} are put forward, so that {clock:%H:%M} does not exist; "
            "choose an hour later."
        )
    return moment


def clock_at(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clocks in a time zone show at a moment, in whole minutes."""
    return moment.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0)


def batch_that_fits(*, total: int, people: int, overlap: int, shared: int) -> int:
    """How many traces each person gets when all are divided evenly, shared ones included."""
    shared = min(shared, total)
    return shared + math.ceil((total - shared) * overlap / max(1, people))


def shared_that_fits(*, total: int, people: int) -> int:
    """How many traces everybody answers: as many as agreement needs, and few enough to take at most a third more answers."""
    return min(USUAL_SHARED, int(MOST_EXTRA * total / max(1, people - 1)), total)


def experts_first(people: Iterable[User], roles: Mapping[int, str]) -> list[str]:
    """The keys of those who review by default: the experts of the team, or everybody where it has none."""
    people = list(people)
    experts = [user for user in people if roles.get(user.pk) == Role.EXPERT]
    return [str(user.pk) for user in experts or people]


def weight_in(text: str) -> int | None:
    """The weight of a stratum, a whole number from 0 to MOST_WEIGHT; None when the text is none."""
    text = text.strip()
    is_number = text.isascii() and text.isdecimal() and len(text) < 9
    return int(text) if is_number and int(text) <= MOST_WEIGHT else None


def pks_in(text: str) -> list[int]:
    """The keys in a list with commas, each once; what is no key is left out."""
    return list(dict.fromkeys(int(part) for part in text.split(",") if _is_pk(part)))


def _is_pk(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 18
