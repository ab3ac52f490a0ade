"""Alignment runs: the list, the page, its live part, the form that starts one, and the decision."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from alignment.judge_agreement import compare
from annotator.models import AlignmentRun, Judge, Role, Team, User, WorkStatus
from tests.annotator.run_rows import LABELS, create_run, finished_run
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_team,
    create_trace,
    create_user,
)

LIST = reverse("run-list")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team))


def _get(client: Client, run: AlignmentRun, query: str = "") -> str:
    response = client.get(reverse("run-detail", args=[run.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_shows_the_teams_runs_and_no_others(
    client: Client, judge: Judge, alice: User, olga: User
) -> None:
    run = finished_run(judge)
    for user, seen in ((alice, True), (olga, False)):
        client.force_login(user)
        page = client.get(LIST).content.decode()
        assert (reverse("run-detail", args=[run.pk]) in page) is seen
    assert "No run yet" in page


def test_the_list_goes_on_where_the_page_ends(client: Client, judge: Judge, alice: User) -> None:
    runs = [
        create_run(judge, status=WorkStatus.FAILED, labels_fingerprint=str(number))
        for number in range(53)
    ]
    client.force_login(alice)
    first = client.get(LIST)
    assert [run.pk for run in first.context["runs"]] == [run.pk for run in reversed(runs[3:])]
    rest = client.get(LIST, {"before": first.context["next_before"]})
    assert [run.pk for run in rest.context["runs"]] == [run.pk for run in reversed(runs[:3])]


@pytest.mark.parametrize(
    "query", ["judge=x", "before=-1", "before=" + "9" * 40, "judge=" + "9" * 40]
)
def test_odd_addresses_of_the_list_do_no_harm(client: Client, alice: User, query: str) -> None:
    client.force_login(alice)
    assert client.get(f"{LIST}?{query}").status_code == 200


def test_the_number_of_queries_does_not_grow_with_the_runs(
    client: Client, judge: Judge, alice: User
) -> None:
    client.force_login(alice)
    client.get(LIST)  # what is asked once in a while is asked here
    counts: list[int] = []
    for _ in range(2):
        other = create_judge(experiment=judge.experiment, name=f"judge{len(counts)}")
        finished_run(other)
        with CaptureQueriesContext(connection) as queries:
            client.get(LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_live_run_is_polled_and_shows_stages_calls_and_time_left(
    client: Client, judge: Judge, alice: User
) -> None:
    now = timezone.now()
    run = create_run(
        judge,
        started_at=now - timedelta(seconds=60),
        calls=100,
        calls_expected=200,
        stages=[
            {
                "name": "OPTIMIZE",
                "started_at": now.isoformat(),
                "finished_at": None,
                "result": "",
                "done": 12,
                "total": 40,
            }
        ],
        steps=[
            {"step": number, "of": 4, "scores": [0.4, score], "best": score, "part": ""}
            for number, score in ((1, 0.5), (2, 0.75))
        ],
        log_lines=[{"level": "INFO", "text": "step <1>"}],
    )
    client.force_login(alice)
    part = client.get(reverse("run-status", args=[run.pk]), headers=HTMX).content.decode()
    assert "<html" not in part
    assert 'hx-trigger="every 2s"' in part
    assert "of at most 200" in part
    assert "about a minute at this pace" in part
    assert "12 of 40" in part
    assert "unknown price" in part
    assert part.count('class="plot-mark') == 2
    assert "step &lt;1&gt;" in part
    assert 'hx-trigger="every 2s"' in _get(client, run)


def test_once_it_is_over_the_page_comes_anew_and_is_polled_no_more(
    client: Client, judge: Judge, alice: User
) -> None:
    run = finished_run(judge)
    client.force_login(alice)
    url = reverse("run-status", args=[run.pk])
    assert client.get(url, headers=HTMX)["HX-Refresh"] == "true"
    assert "every 2s" not in _get(client, run)
    assert client.get(url).status_code == 302


def test_the_page_compares_old_and_new_with_intervals_and_both_texts(
    client: Client, judge: Judge, alice: User
) -> None:
    run = finished_run(judge)
    client.force_login(alice)
    page = _get(client, run)
    assert "Tested on 4 traces that the optimizer never saw." in page
    assert "+25 points" in page
    assert "50 % (" in page
    assert "75 % (" in page
    assert "<ins>It gives a &lt;b&gt;next step&lt;/b&gt;.</ins>" in page
    assert "Better, but not decisively." in page
    assert "It is not a language model." in page


def test_figures_of_the_old_version_that_are_undefined_say_why(
    client: Client, judge: Judge, alice: User
) -> None:
    labels = dict.fromkeys(LABELS, "good")
    same = compare(labels, labels).to_dict()
    run = finished_run(judge, figures={"before": same, "after": None, "comparison": None})
    client.force_login(alice)
    page = _get(client, run)
    assert "Only one value was used" in page
    assert "This was not worked out." in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["tr-b", "tr-c"]),
        ("?show=fixed", ["tr-b", "tr-c"]),
        ("?show=broken", ["tr-a"]),
        ("?show=right", ["tr-d"]),
        ("?show=wrong", []),
        ("?show=all", list(LABELS)),
        ("?show=nonsense", ["tr-b", "tr-c"]),
    ],
)
def test_traces_fixed_and_broken_can_be_filtered_and_opened(
    client: Client, judge: Judge, lena: User, query: str, shown: list[str]
) -> None:
    run = finished_run(judge)
    client.force_login(lena)
    page = _get(client, run, query)
    assert [trace for trace in LABELS if f"Reason on {trace}." in page] == shown
    assert all(reverse("trace-detail", args=[trace]) in page for trace in shown)


def test_an_expert_sees_of_the_traces_fixed_and_broken_those_they_answered(
    client: Client, judge: Judge, alice: User
) -> None:
    run = finished_run(judge)
    mine = create_trace(experiment=judge.experiment, trace_id="tr-b")
    create_feedback(judge=judge, trace=mine, author=alice)
    client.force_login(alice)

    page = _get(client, run, "?show=all")

    assert [trace for trace in LABELS if f"Reason on {trace}." in page] == ["tr-b"]
    assert "once you have answered them yourself" in page


def test_a_failed_run_says_what_happened_and_where(
    client: Client, judge: Judge, alice: User
) -> None:
    stage = {
        "name": "BASELINE",
        "started_at": timezone.now().isoformat(),
        "finished_at": None,
        "result": "",
    }
    run = create_run(
        judge,
        status=WorkStatus.FAILED,
        finished_at=timezone.now(),
        stages=[stage],
        error_text="The provider is down.",
    )
    client.force_login(alice)
    page = _get(client, run)
    assert "The provider is down." in page
    assert "step-failed" in page
    assert "there is nothing to compare" in page


def test_an_admin_promotes_the_candidate_and_can_roll_back(
    client: Client, judge: Judge, adam: User
) -> None:
    run = finished_run(judge)
    client.force_login(adam)
    assert "Promote version 2" in _get(client, run)
    page = client.post(reverse("run-promote", args=[run.pk]), follow=True).content.decode()
    judge.refresh_from_db()
    assert judge.current_version == run.candidate
    assert "Version 2 was promoted" in page
    assert "Roll back to version 1" in page


def test_a_rejection_needs_a_reason(client: Client, judge: Judge, adam: User) -> None:
    run = finished_run(judge)
    client.force_login(adam)
    url = reverse("run-reject", args=[run.pk])
    assert "Say in a sentence why" in client.post(url, follow=True).content.decode()
    page = client.post(url, {"reason": "It is too strict."}, follow=True).content.decode()
    assert "“It is too strict.”" in page
    run.refresh_from_db()
    assert run.decision == AlignmentRun.Decision.REJECTED


def test_a_decided_run_cannot_be_decided_again(client: Client, judge: Judge, adam: User) -> None:
    run = finished_run(judge)
    client.force_login(adam)
    client.post(reverse("run-promote", args=[run.pk]))
    page = client.post(reverse("run-reject", args=[run.pk]), {"reason": "No."}, follow=True)
    assert "was decided already" in page.content.decode()


def test_promoting_against_the_gate_needs_a_reason(
    client: Client, judge: Judge, adam: User
) -> None:
    run = finished_run(
        judge,
        outcome=AlignmentRun.Outcome.REJECT,
        outcome_reason="Not better.",
        decision=AlignmentRun.Decision.REJECTED,
    )
    client.force_login(adam)
    assert "Promote it all the same" in _get(client, run)
    url = reverse("run-promote", args=[run.pk])
    assert "say in a sentence why" in client.post(url, follow=True).content.decode()
    client.post(url, {"reason": "We changed the policy.\0"})
    judge.refresh_from_db()
    assert judge.current_version == run.candidate


def test_an_admin_cancels_a_run_once(client: Client, judge: Judge, adam: User) -> None:
    run = create_run(judge, status=WorkStatus.QUEUED)
    client.force_login(adam)
    url = reverse("run-cancel", args=[run.pk])
    assert "Cancelled" in client.post(url, follow=True).content.decode()
    assert "The run is over already." in client.post(url, follow=True).content.decode()


@pytest.mark.parametrize("name", ["run-promote", "run-reject", "run-cancel"])
def test_only_admins_of_the_team_decide(
    client: Client, judge: Judge, alice: User, lena: User, olga: User, name: str
) -> None:
    run = finished_run(judge)
    url = reverse(name, args=[run.pk])
    for user in (alice, lena, olga):
        client.force_login(user)
        assert client.post(url, {"reason": "x"}).status_code == 403
        assert client.get(url).status_code == 405
    client.force_login(create_user(team=create_team(), role=Role.ADMIN))
    assert client.post(url, {"reason": "x"}).status_code == 404
    judge.refresh_from_db()
    assert judge.current_version == run.version_in


def test_experts_see_a_run_without_its_buttons_and_strangers_nothing(
    client: Client, judge: Judge, alice: User, olga: User
) -> None:
    run = finished_run(judge)
    client.force_login(alice)
    assert reverse("run-promote", args=[run.pk]) not in _get(client, run)
    client.force_login(olga)
    for name in ("run-detail", "run-status"):
        assert client.get(reverse(name, args=[run.pk])).status_code == 404


def test_a_run_names_who_gave_its_labels_and_which_model_really_answered(
    client: Client, judge: Judge, lena: User, alice: User
) -> None:
    run = finished_run(judge)
    run.examples = [{"votes": {"alice": "good", "gone": "poor"}}, {"votes": {"alice": "good"}}, {}]
    run.figures["answered_by"] = {"openai:/big": ["big-2026-01-01"], "demo:/judge": ["judge"]}
    run.save(update_fields=["examples", "figures"])
    address = reverse("run-detail", args=[run.pk])
    client.force_login(lena)
    page = " ".join(client.get(address).content.decode().split())
    assert f"{alice} (2), gone (1)" in page
    assert "big-2026-01-01" in page
    assert page.count("Answered by") == 1
    client.force_login(alice)  # who answered what is a lead's to know
    assert "Labels from" not in client.get(address).content.decode()
