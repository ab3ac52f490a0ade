"""Reviewing without a mouse, and on a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from annotator.models import Judge, Team, User
from tests.factories import create_experiment, create_judge, create_trace, create_verdict

TRACES = 10


@pytest.fixture
def judge(transactional_db: None, team: Team) -> Judge:
    """A judge that has given its verdict on ten traces, and waits for an admin however many labels there are."""
    judge = create_judge(experiment=create_experiment(team=team))
    judge.alignment_policy = Judge.AlignmentPolicy.MANUAL
    judge.save()
    for number in range(TRACES):
        trace = create_trace(experiment=judge.experiment, question=f"Question {number}")
        create_verdict(judge=judge, trace=trace)
    return judge


def test_an_expert_gives_ten_feedbacks_with_number_key_and_enter_alone(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    alice: User,
    judge: Judge,
    complaints: list[str],
) -> None:
    sign_in(alice)
    page.goto(f"{live_server.url}{reverse('judge-review', args=[judge.pk])}")
    for number in range(TRACES):
        page.keyboard.press(str(number % 4 + 1))
        page.keyboard.press("Enter")
        expect(page.get_by_text("Feedback saved.").first).to_be_visible()
        if number < TRACES - 1:
            with page.expect_navigation():
                page.keyboard.press("j")
    expect(page.get_by_text("It was the last trace of the list.")).to_be_visible()

    page.goto(live_server.url)
    expect(page.get_by_text(f"You have answered {TRACES} traces.")).to_be_visible()
    for value, times in (("excellent", 3), ("good", 3), ("fair", 2), ("poor", 2)):
        page.goto(f"{live_server.url}/traces/?label={judge.pk}:{value}&feedback=mine")
        expect(page.get_by_text(f"{times} traces", exact=True)).to_be_visible()
    assert complaints == []


def test_number_keys_and_letters_are_text_while_somebody_writes(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    alice: User,
    judge: Judge,
) -> None:
    sign_in(alice)
    page.goto(f"{live_server.url}{reverse('judge-review', args=[judge.pk])}")
    here = page.url
    page.keyboard.press("r")
    page.keyboard.type("1 jar? 2 krill")
    expect(page.get_by_label("Reason r")).to_have_value("1 jar? 2 krill")
    expect(page.get_by_role("radio", checked=True)).to_have_count(0)
    assert page.url == here


def test_cannot_judge_is_reached_and_submitted_by_keys(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    alice: User,
    judge: Judge,
) -> None:
    sign_in(alice)
    page.goto(f"{live_server.url}{reverse('judge-review', args=[judge.pk])}")
    page.keyboard.press("0")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Feedback saved.").first).to_be_visible()
    expect(page.get_by_text("cannot judge", exact=True).first).to_be_visible()


@pytest.mark.browser_context_args(
    viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
)
def test_an_expert_gives_feedback_on_a_phone_by_touch(
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    alice: User,
    judge: Judge,
) -> None:
    sign_in(alice)
    page.goto(f"{live_server.url}{reverse('trace-list')}")
    page.get_by_text("Question 9").tap()
    page.get_by_role("link", name="Add feedback").tap()
    page.locator(".radio-card", has_text="fair").tap()
    page.get_by_role("button", name="Submit feedback").tap()
    expect(page.get_by_text("Feedback saved.").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360

    page.get_by_role("link", name="Next trace").tap()
    expect(page.get_by_text("Question 8").first).to_be_visible()
    page.get_by_role("link", name="← Traces").tap()
    expect(
        page.locator(".trace-row", has_text="Question 9").locator(".trace-mine")
    ).to_contain_text("fair")
