"""Every page that links lead to, as each role sees it: axe finds no barrier, and nothing runs over at 320 px."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urldefrag, urlsplit

import pytest
from django.urls import Resolver404, resolve
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from annotator.models import Judge, Span, Team, User
from annotator.services.guidelines import save_guideline
from annotator.services.settling import pin, settle_label
from tests.annotator.batch_world import create_batch
from tests.annotator.run_rows import finished_run
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_trace,
    create_verdict,
)

CONVERSATION = {
    "messages": [
        {"role": "system", "content": "You are the help desk of a shop."},
        {
            "role": "user",
            "content": "Where is **my parcel**?\n\n| day | place |\n|---|---|\n| 1 | Bonn |",
        },
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {"id": "c1", "function": {"name": "track", "arguments": '{"id": "A-7"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": '{"place": "Bonn", "days": [1, 2, 3]}'},
    ]
}
# Not pages of ours, or no pages: Django's own admin, files, and what ends the visit.
NOT_WALKED = {"logout", "start", "healthz"}


@pytest.fixture
def world(transactional_db: None, team: Team, alice: User, lena: User, adam: User) -> Judge:
    """A team with a judge, a conversation with steps, verdicts, feedback that differs, and a run to decide on."""
    experiment = create_experiment(team=team, name="Help desk")
    judge = create_judge(experiment=experiment, name="quality", actor=adam)
    judge.alignment_policy = Judge.AlignmentPolicy.MANUAL
    judge.save()
    traces = [
        create_trace(experiment=experiment, inputs=CONVERSATION, outputs={"answer": "Tomorrow."}),
        *(
            create_trace(experiment=experiment, question=f"Question {number}")
            for number in range(3)
        ),
    ]
    Span.objects.create(
        trace=traces[0],
        span_id="s1",
        name="answer",
        span_type="AGENT",
        start_ns=0,
        end_ns=9_000_000,
    )
    Span.objects.create(
        trace=traces[0], span_id="s2", parent_id="s1", name="track", span_type="TOOL",
        start_ns=1_000_000, end_ns=5_000_000, status="ERROR", status_message="The carrier is away.",
    )  # fmt: skip
    for trace in traces[:3]:
        create_verdict(judge=judge, trace=trace, rationale="It **answers**, with `code`.")
    create_feedback(judge=judge, trace=traces[0], author=alice, value="poor", rationale="No date.")
    create_feedback(judge=judge, trace=traces[0], author=lena, value="good", rationale="It helps.")
    create_feedback(judge=judge, trace=traces[1], author=lena, value="good")
    create_feedback(judge=judge, trace=traces[2], author=alice, value="good")
    create_feedback(judge=judge, trace=traces[2], author=lena, value="fair")
    settlement = settle_label(
        actor=lena, judge=judge, trace=traces[2], value="fair", cause="GUIDELINE", note="A date?"
    )
    pin(actor=lena, settlement=settlement, pinned=True)
    for when in ("It answers.", "It answers, with a date."):
        save_guideline(actor=lena, judge=judge, text="Be fair.", choose_when={"good": when})
    finished_run(judge)
    for state, hours in (("now", -1), ("later", 48)):
        create_batch(
            judges=[judge],
            reviewers=[alice, lena, adam],
            traces=[create_trace(experiment=experiment, inputs=CONVERSATION), traces[3]],
            opens_in=timedelta(hours=hours),
            with_verdicts=False,
            name=f"Parcels {state}",
        )
    return judge


@pytest.mark.parametrize("role", ["alice", "lena", "adam"])
def test_no_page_has_a_barrier_for_anybody(
    role: str,
    live_server: LiveServer,
    sign_in: Callable[[User], None],
    page: Page,
    world: Judge,
    barriers: Callable[[], list[str]],
    complaints: list[str],
) -> None:
    sign_in(User.objects.get(username=role))
    found: list[str] = []
    walked: set[str] = set()
    waiting = [f"{live_server.url}/"]
    while waiting:
        address = waiting.pop(0)
        kind = _kind_of(address, live_server.url)
        if kind is None or kind in walked:
            continue
        walked.add(kind)
        if "text/html" not in page.request.get(address).headers.get("content-type", ""):
            continue
        page.goto(address)
        for fold in page.locator("main details:not([open]) > summary").all():
            if fold.is_visible():
                fold.click()
        for scheme in ("light", "dark") if role == "adam" else ("light",):
            page.emulate_media(color_scheme=scheme)
            found += [f"{scheme}: {barrier}" for barrier in barriers()]
        page.set_viewport_size({"width": 320, "height": 640})
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 320:
            found.append(f"{address}: {width} px wide on a screen of 320 px")
        page.set_viewport_size({"width": 1280, "height": 800})
        links = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
        waiting += [urldefrag(link).url for link in links]
    assert not found, "\n".join(found)
    assert complaints == []
    assert {"home", "trace-list", "trace-detail", "trace-detail steps", "judge-detail"} <= walked


def _kind_of(address: str, site: str) -> str | None:
    """The page's kind: its name in `urls.py` with its tab, of which one of each is looked at; None for no page."""
    if not address.startswith(site):
        return None
    parts = urlsplit(address)
    try:
        name = resolve(parts.path).url_name
    except Resolver404:
        return None
    if name is None or name in NOT_WALKED or parts.path.startswith("/admin/"):
        return None
    query = parse_qs(parts.query)
    return " ".join([name, *query.get("view", []), *query.get("tab", [])])
