"""How fast a session goes, and when it will be done at that pace."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

LONGEST_PAUSE = timedelta(minutes=5)
FEWEST_FOR_FORECAST = 3


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast somebody answers.

    Attributes:
        done: How many answers it is taken from.
        median_seconds: The middle of the times spent on an item; None without any.
        per_hour: Answers an hour while at work, pauses left out; None below three answers. Of answers that lie far apart,
            the time spent on them tells.
    """

    done: int
    median_seconds: float | None
    per_hour: float | None


def pace_of(submitted: Sequence[datetime], active_seconds: Sequence[int]) -> Pace:
    """The pace of one person, from the times of the answers and the seconds spent on each."""
    times = sorted(submitted)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    worked = sum((gap for gap in gaps if gap <= LONGEST_PAUSE), timedelta())
    counted = sum(gap <= LONGEST_PAUSE for gap in gaps)
    spent = [seconds for seconds in active_seconds if seconds > 0]
    median = statistics.median(spent) if spent else None
    per_hour = None
    if len(times) >= FEWEST_FOR_FORECAST:
        if counted and worked > timedelta():
            per_hour = counted * 3600 / worked.total_seconds()
        elif median:
            per_hour = 3600 / median
    return Pace(done=len(times), median_seconds=median, per_hour=per_hour)


def forecast(
    *, now: datetime, left: Sequence[int], per_hour: Sequence[float | None]
) -> datetime | None:
    """When everybody is done at their pace; None while somebody who has items left has no pace yet.

    Args:
        now: From when on.
        left: How many items each person still has.
        per_hour: The pace of each person, in the same order.
    """
    hours = 0.0
    for items, pace in zip(left, per_hour, strict=True):
        if not items:
            continue
        if not pace:
            return None
        hours = max(hours, items / pace)
    return now + timedelta(hours=hours)
