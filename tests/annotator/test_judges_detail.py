"""The page of one judge: overview, versions, runs, readiness, and going back to a version."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from annotator.models import Judge, JudgeVersion, Role, Team, User
from annotator.services import judges as judge_service
from tests.annotator.run_rows import finished_run
from tests.factories import (
    QUALITY,
    create_experiment,
    create_feedback,
    create_judge,
    create_team,
    create_trace,
    create_user,
    create_verdict,
)

TABS = ("overview", "versions", "runs")


@pytest.fixture
def judge(team: Team) -> Judge:
    return create_judge(experiment=create_experiment(team=team), description="How good it is.")


def _review(judge: Judge, author: User, *, label: str, verdict: str, times: int = 1) -> list[str]:
    traces = [create_trace(experiment=judge.experiment) for _ in range(times)]
    for trace in traces:
        create_verdict(judge=judge, trace=trace, value=verdict, rationale="It answers <b>all</b>.")
        create_feedback(judge=judge, trace=trace, author=author, value=label)
    return [trace.trace_id for trace in traces]


def _edit(judge: Judge, actor: User, instructions: str) -> JudgeVersion:
    return judge_service.edit_judge(
        actor=actor,
        judge=judge,
        instructions=instructions,
        value_type=QUALITY,
        model="demo:/judge",
        note="Stricter.",
    )


def _get(client: Client, judge: Judge, query: str = "") -> str:
    response = client.get(reverse("judge-detail", args=[judge.pk]) + query)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("tab", TABS)
def test_experts_read_every_tab(client: Client, judge: Judge, alice: User, tab: str) -> None:
    client.force_login(alice)
    assert judge.name in _get(client, judge, f"?tab={tab}")


def test_an_unknown_tab_is_the_overview(client: Client, judge: Judge, alice: User) -> None:
    client.force_login(alice)
    assert "Agreement with the experts" in _get(client, judge, "?tab=nonsense")


@pytest.mark.parametrize("tab", TABS)
def test_another_team_gets_404(client: Client, judge: Judge, olga: User, tab: str) -> None:
    client.force_login(olga)
    assert client.get(reverse("judge-detail", args=[judge.pk]) + f"?tab={tab}").status_code == 404


def test_a_bad_id_gets_404(client: Client, alice: User) -> None:
    client.force_login(alice)
    for pk in (0, 10**30):
        assert client.get(reverse("judge-detail", args=[pk])).status_code == 404


def test_the_overview_says_why_there_are_no_figures(
    client: Client, judge: Judge, alice: User
) -> None:
    client.force_login(alice)
    page = _get(client, judge)
    assert "This version has given no verdict on a trace with a label yet." in page
    assert "No item was answered by two people." in page


def test_a_figure_that_is_undefined_says_why(client: Client, judge: Judge, alice: User) -> None:
    _review(judge, alice, label="good", verdict="good", times=3)
    client.force_login(alice)
    page = _get(client, judge)
    assert "not defined" in page
    assert "Only one value was used" in page
    assert "No label is on the negative side." in page


def test_a_cell_of_the_confusion_matrix_opens_its_traces(
    client: Client, judge: Judge, alice: User
) -> None:
    wrong = _review(judge, alice, label="poor", verdict="good", times=2)
    right = _review(judge, alice, label="good", verdict="good")
    client.force_login(alice)
    page = _get(client, judge)
    query = f"experiment={judge.experiment_id}&verdict={judge.pk}%3Agood&label={judge.pk}%3Apoor"
    href = f"{reverse('trace-list')}?{query}"
    assert href.replace("&", "&amp;") in page
    listed = client.get(href).content.decode()
    assert all(reverse("trace-detail", args=[trace]) in listed for trace in wrong)
    assert reverse("trace-detail", args=[right[0]]) not in listed


def test_the_trend_has_a_plot_and_the_same_figures_as_a_table(
    client: Client, judge: Judge, alice: User, adam: User
) -> None:
    _review(judge, alice, label="poor", verdict="good", times=2)
    _review(judge, alice, label="good", verdict="good", times=2)
    _edit(judge, adam, "Be strict about {{ outputs }}.")
    _review(judge, alice, label="good", verdict="good", times=2)
    _review(judge, alice, label="poor", verdict="poor", times=2)
    client.force_login(alice)
    page = _get(client, judge)
    assert page.count('class="plot-mark') == 2
    assert "almost perfect (κ 1.00" in page
    assert "slight (κ 0.00" in page


def test_a_version_shows_its_diff_with_its_parent_escaped(
    client: Client, judge: Judge, alice: User, adam: User
) -> None:
    version = _edit(
        judge,
        adam,
        "Grade the answer. <script>x</script> Question: {{ inputs }} Answer: {{ outputs }}",
    )
    client.force_login(alice)
    page = _get(client, judge, f"?tab=versions&version={version.number}")
    assert "<ins> &lt;script&gt;x&lt;/script&gt;</ins>" in page
    assert "<script>x" not in page
    assert "Stricter." in page


def test_readiness_is_a_part_for_htmx_and_a_page_for_everybody_else(
    client: Client, judge: Judge, alice: User
) -> None:
    client.force_login(alice)
    url = reverse("judge-readiness", args=[judge.pk])
    part = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert 'id="judge-readiness"' in part
    assert "Not ready yet" in part
    assert "<html" in client.get(url).content.decode()


def test_review_next_opens_the_trace_worth_reviewing_within_its_list(
    client: Client, judge: Judge, alice: User
) -> None:
    _review(judge, alice, label="good", verdict="good", times=8)
    for value in ("good", "poor"):
        trace = create_trace(experiment=judge.experiment)
        create_verdict(judge=judge, trace=trace, value=value)
    client.force_login(alice)
    response = client.get(reverse("judge-review", args=[judge.pk]))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("trace-detail", args=[trace.trace_id]))
    assert "feedback%3Dnone" in response["Location"]
    assert client.get(response["Location"]).status_code == 200


def test_review_next_says_when_nothing_is_left(client: Client, judge: Judge, alice: User) -> None:
    client.force_login(alice)
    page = client.get(reverse("judge-review", args=[judge.pk]), follow=True).content.decode()
    assert "nothing left for you to review" in page


def test_rolling_back_is_one_click_and_can_be_undone(
    client: Client, judge: Judge, adam: User
) -> None:
    first, second = judge.current_version, _edit(judge, adam, "Only {{ outputs }}.")
    client.force_login(adam)
    url = reverse("judge-rollback", args=[judge.pk])
    page = client.post(url, follow=True).content.decode()
    judge.refresh_from_db()
    assert judge.current_version == first
    assert f"Undo: back to version {second.number}" in page
    client.post(url)
    judge.refresh_from_db()
    assert judge.current_version == second


def test_rolling_back_without_an_earlier_version_says_so(
    client: Client, judge: Judge, adam: User
) -> None:
    client.force_login(adam)
    page = client.post(reverse("judge-rollback", args=[judge.pk]), follow=True).content.decode()
    assert "There is no earlier version" in page


def test_any_version_can_be_made_current(client: Client, judge: Judge, adam: User) -> None:
    first = judge.current_version
    assert first is not None
    _edit(judge, adam, "Second {{ outputs }}.")
    _edit(judge, adam, "Third {{ outputs }}.")
    client.force_login(adam)
    client.post(reverse("version-promote", args=[first.pk]))
    judge.refresh_from_db()
    assert judge.current_version == first


def test_a_rejected_version_is_promoted_only_with_a_reason(
    client: Client, judge: Judge, adam: User
) -> None:
    run = finished_run(judge, decision="REJECTED", outcome="REJECT")
    assert run.candidate is not None
    client.force_login(adam)
    versions = reverse("judge-detail", args=[judge.pk]) + "?tab=versions"
    assert "Why it is promoted all the same" in client.get(versions).content.decode()
    address = reverse("version-promote", args=[run.candidate.pk])
    refused = client.post(address, {"reason": " "}, follow=True).content.decode()
    assert "say in a sentence why it is to be promoted all the same" in refused
    judge.refresh_from_db()
    assert judge.current_version != run.candidate
    client.post(address, {"reason": "The labels were wrong."})
    judge.refresh_from_db()
    assert judge.current_version == run.candidate
    run.refresh_from_db()
    assert (run.decision, run.decision_reason) == ("PROMOTED", "The labels were wrong.")


def test_only_admins_change_the_version_in_use(
    client: Client, judge: Judge, alice: User, lena: User, olga: User
) -> None:
    version = judge.current_version
    assert version is not None
    for name, pk in (("judge-rollback", judge.pk), ("version-promote", version.pk)):
        for user in (alice, lena):
            client.force_login(user)
            assert client.post(reverse(name, args=[pk])).status_code == 403
            assert client.get(reverse(name, args=[pk])).status_code == 405
        client.force_login(olga)
        assert client.post(reverse(name, args=[pk])).status_code in {403, 404}


def test_an_admin_of_another_team_gets_404(client: Client, judge: Judge) -> None:
    outsider = create_user(username="oscar", team=create_team(name="Sales"), role=Role.ADMIN)
    client.force_login(outsider)
    assert client.post(reverse("judge-rollback", args=[judge.pk])).status_code == 404
    assert judge.current_version is not None
    assert (
        client.post(reverse("version-promote", args=[judge.current_version.pk])).status_code == 404
    )


def test_a_judge_without_a_version_still_has_a_page(
    client: Client, judge: Judge, adam: User
) -> None:
    Judge.objects.filter(pk=judge.pk).update(current_version=None)
    client.force_login(adam)
    for tab in TABS:
        _get(client, judge, f"?tab={tab}")
    assert "no version yet" in _get(client, judge)
