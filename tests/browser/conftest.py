"""A browser: Debian's own chromium, driven by Playwright. These tests run in a pytest process of their own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from annotator.models import FeedbackSession, Judge, Team, User
from tests.factories import create_experiment, create_judge
from tests.processes import Site

# The driver leaves its event loop running in this process, and Django would take every query for one inside it.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Start the browser that the machine has, because Playwright's own comes from no package registry."""
    browser = (
        os.environ.get("CHROMIUM")
        or shutil.which("chromium")
        or shutil.which("chromium-headless-shell")
    )
    if not browser:
        pytest.skip(
            "no chromium on this machine: apt-get install chromium, or name one in CHROMIUM"
        )
    return {**browser_type_launch_args, "executable_path": browser}


@pytest.fixture
def sign_in(context: BrowserContext, live_server: LiveServer) -> Callable[[User], None]:
    """Sign a user in on the test's own server, without the form."""

    def sign_in(user: User) -> None:
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])

    return sign_in


@pytest.fixture
def running_site(site: Site) -> Site:
    """A whole installation with the demo, as `make run` starts it; `site.link` signs in once."""
    site.start()
    return site


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser's console complains about, such as a breach of the content security policy."""
    heard: list[str] = []
    page.on(
        "console", lambda message: heard.append(message.text) if message.type == "error" else None
    )
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


@pytest.fixture
def barriers(page: Page) -> Callable[[], list[str]]:
    """What axe finds on the page as it is now: each barrier with where it is. A page that is done has none."""
    axe = Axe()
    # Colours half way through a transition would be measured as colours of their own.
    page.emulate_media(reduced_motion="reduce")

    def barriers() -> list[str]:
        expect(page.locator(".htmx-request")).to_have_count(0)  # what waits for an answer is faded
        return [
            f"{page.url}: {found['id']}: {found['help']}: {node['target']} {node['failureSummary']}"
            for found in axe.run(page).response["violations"]
            for node in found["nodes"]
        ]

    return barriers


@pytest.fixture
def quality(transactional_db: None, team: Team) -> Judge:
    """A judge of four grades whose alignment an admin starts."""
    judge = create_judge(
        experiment=create_experiment(team=team), description="How good is the answer?"
    )
    judge.alignment_policy = Judge.AlignmentPolicy.MANUAL
    judge.save()
    return judge


@pytest.fixture
def open_batch(
    live_server: LiveServer, sign_in: Callable[[User], None], page: Page, alice: User
) -> Callable[[FeedbackSession], None]:
    """Open alice's batch in a session, signed in."""

    def open_batch(session: FeedbackSession) -> None:
        sign_in(alice)
        page.goto(f"{live_server.url}{reverse('batch-review', args=[session.pk])}")

    return open_batch
