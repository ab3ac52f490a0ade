"""The review screen of a batch, as an expert works in it: by keys, offline, on a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from annotator.models import Assessment, Judge, Team, User
from tests.annotator.batch_world import create_batch
from tests.factories import create_experiment, create_judge


@pytest.fixture
def judge(transactional_db: None, team: Team) -> Judge:
    """A judge of four grades whose alignment an admin starts."""
    judge = create_judge(
        experiment=create_experiment(team=team), description="How good is the answer?"
    )
    judge.alignment_policy = Judge.AlignmentPolicy.MANUAL
    judge.save()
    return judge


def test_ten_feedbacks_take_ten_key_presses(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    alice: User,
    judge: Judge,
    complaints: list[str],
) -> None:
    session = create_batch(judges=[judge], reviewers=[alice], items=10)
    sign_in(alice)
    page.goto(f"{live_server.url}{reverse('batch-review', args=[session.pk])}")
    for number in range(1, 11):
        expect(page.get_by_role("heading", level=1)).to_contain_text(f"Question {number}")
        page.keyboard.press(str(number % 4 + 1))
    expect(page.get_by_text("Your batch is done. Thank you.")).to_be_visible()
    answers = Assessment.objects.human().filter(author=alice).order_by("assignment__position")
    choices = judge.value_type.choices
    assert [answer.value for answer in answers] == [choices[n % 4] for n in range(1, 11)]
    assert complaints == []
