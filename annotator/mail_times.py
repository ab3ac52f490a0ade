"""When somebody is told something: at once or with the digest of the day, and never in their quiet hours."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


def due_at(
    now: datetime,
    *,
    is_immediate: bool,
    zone: ZoneInfo,
    digest_at: time,
    quiet_from: time,
    quiet_until: time,
) -> datetime:
    """The earliest time to tell something that happened now.

    Args:
        now: With a time zone.
        is_immediate: Whether it goes out at once instead of with the digest.
        zone: The person's time zone, in which the three times of day are meant.
        digest_at: When the digest goes out.
        quiet_from: From when on nothing goes out; equal to `quiet_until` for no quiet hours.
        quiet_until: Until when.
    """
    local = now.astimezone(zone)
    if not is_immediate:
        local = _next(local, digest_at)
    if is_quiet(local.timetz().replace(tzinfo=None), quiet_from, quiet_until):
        local = _next(local, quiet_until)
    return max(now, local.astimezone(now.tzinfo))


def is_quiet(at: time, quiet_from: time, quiet_until: time) -> bool:
    """Whether a time of day lies in the quiet hours, which may reach over midnight."""
    if quiet_from <= quiet_until:
        return quiet_from <= at < quiet_until
    return at >= quiet_from or at < quiet_until


def _next(local: datetime, at: time) -> datetime:
    """The next moment with that time of day; the clock's own day, also where it is changed in the night."""
    found = datetime.combine(local.date(), at, tzinfo=local.tzinfo)
    if found < local:
        found = datetime.combine(local.date() + timedelta(days=1), at, tzinfo=local.tzinfo)
    return found
