"""How fast a session goes, when it will be done, and when somebody is told something."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from annotator.mail_times import due_at, is_quiet
from annotator.pace import forecast, pace_of

NOW = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)


def test_the_pace_leaves_pauses_out():
    minutes = [0, 1, 2, 62, 63]

    pace = pace_of([NOW + timedelta(minutes=each) for each in minutes], [50, 60, 0, 40, 90])

    assert pace.done == 5
    assert pace.median_seconds == 55
    assert pace.per_hour == pytest.approx(60)


@pytest.mark.parametrize("minutes", [[], [0], [0, 1], [0, 60, 120]])
def test_too_few_answers_or_only_pauses_make_no_pace(minutes):
    assert pace_of([NOW + timedelta(minutes=each) for each in minutes], []).per_hour is None


@pytest.mark.parametrize(
    ("left", "per_hour", "hours"),
    [
        ([10, 5], [10.0, 10.0], 1.0),
        ([10, 0], [20.0, None], 0.5),
        ([0, 0], [None, None], 0.0),
        ([10, 5], [10.0, None], None),
    ],
)
def test_a_session_is_done_when_its_slowest_is(left, per_hour, hours):
    expected = None if hours is None else NOW + timedelta(hours=hours)

    assert forecast(now=NOW, left=left, per_hour=per_hour) == expected


@pytest.mark.parametrize(
    ("at", "start", "end", "quiet"),
    [
        (time(21, 0), time(20, 0), time(7, 0), True),
        (time(6, 59), time(20, 0), time(7, 0), True),
        (time(7, 0), time(20, 0), time(7, 0), False),
        (time(13, 0), time(12, 0), time(14, 0), True),
        (time(14, 0), time(12, 0), time(14, 0), False),
        (time(3, 0), time(0, 0), time(0, 0), False),
    ],
)
def test_quiet_hours_may_reach_over_midnight(at, start, end, quiet):
    assert is_quiet(at, start, end) is quiet


@pytest.mark.parametrize(
    ("now", "zone", "immediate", "due"),
    [
        ("2026-03-03T09:00", "UTC", True, "2026-03-03T09:00"),
        ("2026-03-03T22:00", "UTC", True, "2026-03-04T07:00"),
        ("2026-03-03T05:00", "UTC", True, "2026-03-03T07:00"),
        ("2026-03-03T09:00", "UTC", False, "2026-03-04T08:00"),
        ("2026-03-03T07:30", "UTC", False, "2026-03-03T08:00"),
        ("2026-03-03T09:00", "Asia/Tokyo", True, "2026-03-03T09:00"),
        ("2026-03-03T12:00", "Asia/Tokyo", True, "2026-03-03T22:00"),
        ("2026-03-28T22:00", "Europe/Berlin", True, "2026-03-29T05:00"),  # summer time begins
    ],
)
def test_nobody_is_told_anything_in_their_quiet_hours(now, zone, immediate, due):
    found = due_at(
        datetime.fromisoformat(f"{now}+00:00"),
        is_immediate=immediate,
        zone=ZoneInfo(zone),
        digest_at=time(8, 0),
        quiet_from=time(20, 0),
        quiet_until=time(7, 0),
    )

    assert found == datetime.fromisoformat(f"{due}+00:00")
