"""The first page, the guide, the activity log, the menu and the error pages, by role."""

from __future__ import annotations

from typing import cast

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotator.http import AuthedRequest
from annotator.models import Experiment, Role, Team, User
from annotator.permissions import highest_role, require_role, role_required
from annotator.services import assignments
from tests.factories import (
    assignment_of,
    create_experiment,
    create_feedback,
    create_judge,
    create_session,
    create_team,
    create_trace,
    create_user,
    create_verdict,
)


@pytest.fixture
def experiment(team: Team) -> Experiment:
    return create_experiment(team=team, name="support")


@pytest.mark.parametrize("name", ["home", "guide", "activity-list"])
def test_each_page_works_for_every_role_and_not_for_strangers(
    client: Client, alice: User, lena: User, adam: User, experiment: Experiment, name: str
) -> None:
    create_trace(experiment=experiment)
    assert client.get(reverse(name)).status_code == 302
    for user in (alice, lena, adam):
        client.force_login(user)
        assert client.get(reverse(name)).status_code == 200
        assert client.post(reverse(name)).status_code == 405


def test_the_first_page_shows_what_is_missing_and_what_i_did(
    client: Client, alice: User, adam: User, experiment: Experiment
) -> None:
    judge = create_judge(experiment=experiment, name="quality")
    trace = create_trace(experiment=experiment)
    create_verdict(judge=judge, trace=trace, value="poor")
    create_feedback(judge=judge, trace=trace, author=alice, value="poor")
    client.force_login(alice)
    page = client.get("/").content.decode()
    assert "3 more positive" in page
    assert "You have answered 1 trace." in page
    assert reverse("judge-review", args=[judge.pk]) in page
    client.force_login(adam)
    assert "You have answered 0 traces." in client.get("/").content.decode()


def test_the_first_page_asks_as_often_for_many_judges_as_for_one(
    client: Client, alice: User, experiment: Experiment
) -> None:
    create_trace(experiment=experiment)
    client.force_login(alice)

    def queries() -> int:
        client.get("/")
        with CaptureQueriesContext(connection) as captured:
            client.get("/")
        return len(captured)

    create_judge(experiment=experiment, name="one")
    few = queries()
    for number in range(5):
        create_judge(experiment=experiment, name=f"more {number}")
    assert queries() == few


def test_the_first_page_of_another_team_shows_nothing_of_ours(
    client: Client, olga: User, experiment: Experiment
) -> None:
    create_judge(experiment=experiment, name="our_secret_judge")
    create_trace(experiment=experiment)
    client.force_login(olga)
    page = client.get("/").content.decode()
    assert "our_secret_judge" not in page
    assert "No traces yet" in page


def test_a_user_without_a_team_is_told_what_to_do(client: Client, db: None) -> None:
    client.force_login(create_user(username="newcomer"))
    assert "You are in no team yet" in client.get("/").content.decode()


def test_the_guide_is_the_documentation(client: Client, alice: User) -> None:
    client.force_login(alice)
    page = client.get(reverse("guide")).content.decode()
    assert "<h2>Keys</h2>" in page
    assert "<h3>Reviewing" not in page
    assert "<br" not in page.partition("<main")[2]


def test_experts_see_of_feedback_in_the_log_only_their_own(
    client: Client, alice: User, lena: User, adam: User, olga: User, experiment: Experiment
) -> None:
    judge = create_judge(experiment=experiment, name="quality", actor=adam)
    trace = create_trace(experiment=experiment)
    create_feedback(judge=judge, trace=trace, author=lena, value="poor")
    create_feedback(judge=judge, trace=trace, author=alice, value="good")

    def seen(user: User) -> list[tuple[str, str]]:
        client.force_login(user)
        return [
            (entry.who, entry.action)
            for entry in client.get(reverse("activity-list")).context["entries"]
        ]

    assert seen(alice) == [("alice", "gave"), ("adam", "created")]
    assert seen(lena) == [("alice", "gave"), ("lena", "gave"), ("adam", "created")]
    assert seen(olga) == []


def test_experts_see_in_the_log_no_session_of_others_and_nothing_a_colleague_did_in_one(
    client: Client, alice: User, lena: User, team: Team, experiment: Experiment
) -> None:
    judge = create_judge(experiment=experiment)
    ben = create_user(team=team, username="ben")
    trace = create_trace(experiment=experiment)
    for name, reviewers in (("Ours", [alice, ben]), ("Theirs", [ben])):
        session = create_session(
            judge=judge,
            reviewers=reviewers,
            traces=[trace],
            actor=lena,
            name=name,
            overlap=len(reviewers),
        )
        place = assignment_of(user=ben, session=session, trace=trace)
        assignments.skip(user=ben, assignment=place, reason="NOT_MY_FIELD")

    def told(user: User) -> set[str]:
        client.force_login(user)
        entries = client.get(reverse("activity-list")).context["entries"]
        return {f"{entry.noun} {entry.name}" for entry in entries if entry.name != judge.name}

    assert told(alice) == {"session Ours"}
    skipped = {f"the item {trace.trace_id} in {name}" for name in ("Ours", "Theirs")}
    assert told(lena) == {"session Ours", "session Theirs"} | skipped


def test_the_log_has_pages(client: Client, alice: User, experiment: Experiment) -> None:
    judge = create_judge(experiment=experiment)
    for _ in range(60):
        create_feedback(judge=judge, trace=create_trace(experiment=experiment), author=alice)
    client.force_login(alice)
    first = client.get(reverse("activity-list"))
    assert len(first.context["entries"]) == 50
    older = client.get(reverse("activity-list"), {"older": first.context["older"]})
    assert len(older.context["entries"]) == 60 + 1 - 50
    assert client.get(reverse("activity-list"), {"older": "nonsense"}).status_code == 200


def test_every_address_in_the_log_leads_somewhere(
    client: Client, adam: User, experiment: Experiment
) -> None:
    judge = create_judge(experiment=experiment, name="quality", actor=adam)
    create_feedback(judge=judge, trace=create_trace(experiment=experiment), author=adam)
    client.force_login(adam)
    for entry in client.get(reverse("activity-list")).context["entries"]:
        assert client.get(entry.address).status_code == 200


def test_the_menu_marks_the_page_and_shows_settings_to_admins_alone(
    client: Client, alice: User, adam: User
) -> None:
    client.force_login(alice)
    page = client.get("/traces/").content.decode()
    assert '<a class="nav-link" href="/traces/" aria-current="page">Traces</a>' in page
    assert "Settings" not in page
    assert "Expert" in page
    client.force_login(adam)
    assert "Settings" in client.get("/").content.decode()


def test_an_unknown_page_says_so_in_the_same_frame(client: Client, alice: User) -> None:
    client.force_login(alice)
    response = client.get("/no/such/page")
    assert response.status_code == 404
    assert "There is no such page" in response.content.decode()
    assert "Main" in response.content.decode()


def test_pages_have_no_inline_script_or_style(
    client: Client, alice: User, experiment: Experiment
) -> None:
    judge = create_judge(experiment=experiment)
    trace = create_trace(experiment=experiment)
    create_verdict(judge=judge, trace=trace)
    client.force_login(alice)
    for address in (
        "/",
        "/traces/",
        f"/trace/{trace.trace_id}",
        "/activity/",
        "/guide/",
        "/login/",
    ):
        page = client.get(address, follow=True).content.decode()
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
        assert " onclick=" not in page


def test_signing_in_needs_no_session_and_refuses_a_wrong_password(client: Client, db: None) -> None:
    create_user(username="vera", password="right")
    response = client.post("/login/", {"username": "vera", "password": "wrong"})
    assert response.status_code == 200
    assert "correct username and password" in response.content.decode()
    assert client.post("/login/", {"username": "vera", "password": "right"}).status_code == 302


def test_roles_rise_and_are_asked_per_team(db: None) -> None:
    one, two = create_team(), create_team()
    user = create_user(team=one, role=Role.ADMIN)
    user.memberships.create(team=two, role=Role.EXPERT)
    assert highest_role(user) == Role.ADMIN
    require_role(user, one.pk, Role.LEAD)
    with pytest.raises(PermissionDenied, match="Only team leads and admins"):
        require_role(user, two.pk, Role.LEAD)
    assert highest_role(create_user()) is None


def test_a_view_for_leads_refuses_experts(rf: RequestFactory, alice: User, lena: User) -> None:
    @role_required("LEAD")
    def view(request: AuthedRequest) -> HttpResponse:
        return HttpResponse("fine")

    request = cast(AuthedRequest, rf.get("/"))
    request.user = alice
    with pytest.raises(PermissionDenied, match="Only team leads and admins"):
        view(request)
    request.user = lena
    assert view(request).content == b"fine"
