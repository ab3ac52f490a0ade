"""The small decisions behind the pages of sessions: bars, clocks, divisions, and when agreement is looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from annotator.models import FeedbackSession, SessionStatus
from annotator.presenters.session_rows import (
    done_by_text,
    names_text,
    progress_text,
    stacked_bar,
    window_text,
)
from annotator.services.session_agreement import MOST_POINTS, checkpoints
from annotator.views.session_fields import batch_that_fits, clock_at, moment_at, pks_in, time_zones

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_bar_has_a_part_for_each_state_and_says_the_same_in_words() -> None:
    bar = stacked_bar({"skipped": 1, "done": 5, "draft": 0}, total=10)
    assert [(part.kind, part.x, part.width) for part in bar.parts] == [
        ("done", 0.0, 50.0),
        ("skipped", 50.0, 10.0),
    ]
    assert bar.words == "5 done, 1 skipped of 10"
    assert stacked_bar({}, total=0).words == "none done of 0"


@pytest.mark.parametrize(
    ("total", "people", "overlap", "shared", "each"),
    [(60, 5, 1, 3, 15), (60, 5, 2, 0, 24), (12, 4, 1, 12, 12), (7, 3, 3, 1, 7), (5, 2, 1, 9, 5)],
)
def test_an_even_division_holds_all_answers(
    total: int, people: int, overlap: int, shared: int, each: int
) -> None:
    assert batch_that_fits(total=total, people=people, overlap=overlap, shared=shared) == each


def test_a_clock_that_is_put_forward_skips_an_hour_and_one_put_back_does_not() -> None:
    with pytest.raises(ValueError, match="choose an hour later"):
        moment_at(datetime(2031, 3, 30, 2, 30), BERLIN)  # noqa: DTZ001 - a clock on the wall
    back = moment_at(datetime(2031, 10, 26, 2, 30), BERLIN)  # noqa: DTZ001
    assert back.astimezone(UTC) == datetime(2031, 10, 26, 0, 30, tzinfo=UTC)
    assert clock_at(back, BERLIN) == datetime(2031, 10, 26, 2, 30)  # noqa: DTZ001


def test_time_zones_are_places_each_once() -> None:
    names = [name for name, _ in time_zones()]
    assert names[0] == "UTC"
    assert "Europe/Berlin" in names
    assert len(names) == len(set(names))
    assert not any(name.startswith("Etc/") for name in names)


def test_keys_in_a_text_are_numbers_each_once() -> None:
    assert pks_in("3,1,3,x,,-2,1.5, 4,٣,99999999999999999999") == [3, 1]


@pytest.mark.parametrize("total", [0, 1, 5, 8, 9, 100, 1_001])
def test_agreement_is_looked_at_a_few_times_and_at_last_over_everything(total: int) -> None:
    points = checkpoints(total)
    assert points[-1] == total
    assert len(points) <= MOST_POINTS
    assert points == sorted(set(points))


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (SessionStatus.SCHEDULED, "Wed 1 Jul 16:00 to Thu 2 Jul 14:00 (Europe/Berlin)"),
        (SessionStatus.OPEN, "open until Thu 2 Jul 14:00 (Europe/Berlin)"),
        (SessionStatus.GRACE, "extra time until Thu 2 Jul 15:00 (Europe/Berlin)"),
        (SessionStatus.CLOSED, "closed Thu 2 Jul 14:00 (Europe/Berlin)"),
        (SessionStatus.CANCELLED, "called off"),
    ],
)
def test_a_window_is_told_on_the_sessions_own_clock(status: SessionStatus, text: str) -> None:
    session = FeedbackSession(
        status=status,
        time_zone="Europe/Berlin",
        opens_at=NOON + timedelta(hours=2),
        closes_at=NOON + timedelta(days=1),
        grace_minutes=60,
    )
    assert window_text(session, now=NOON) == text


def test_a_forecast_names_the_day_only_when_it_is_another() -> None:
    assert done_by_text(NOON + timedelta(hours=3), BERLIN, now=NOON) == "17:00"
    assert done_by_text(NOON + timedelta(hours=11), BERLIN, now=NOON) == "Thu 2 Jul 01:00"
    assert done_by_text(None, BERLIN, now=NOON) == ""


def test_progress_and_names_in_words() -> None:
    assert progress_text(done=12, wanted=66) == "12 of 66 answers, 18 %"
    assert progress_text(done=0, wanted=0) == "0 of 0 answers"
    assert names_text(["Ana"]) == "Ana"
    assert names_text(["Ana", "Ben", "Cem", "Dora"]) == "Ana, Ben, Cem and 1 other"
