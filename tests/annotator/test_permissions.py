"""Who may call which address: every one is listed here, and a new one that is not fails the first test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse

from annotator.models import (
    Assessment,
    Judge,
    JudgeJob,
    JudgeTrial,
    Membership,
    Role,
    Trace,
    User,
)
from annotator.services.jobs import start_job
from annotator.services.judges import JudgeServiceError, promote
from annotator.services.runs import RunError, promote_run
from annotator.urls import urlpatterns
from tests.annotator.run_rows import create_run, finished_run
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_team,
    create_trace,
    create_user,
    create_verdict,
)

pytestmark = pytest.mark.django_db

PUBLIC = {"healthz", "login", "start"}
DJANGOS = {"login", "logout"}  # its own views decide which methods they take
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
BELOW = {Role.LEAD: "alice", Role.ADMIN: "lena"}
HOLDER = {Role.EXPERT: "alice", Role.LEAD: "lena", Role.ADMIN: "adam"}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What an address wants: the role for each method, and which object of the world it is about."""

    needs: Mapping[str, Role] = field(default_factory=lambda: {"GET": Role.EXPERT})
    about: str = ""


READ = {"GET": Role.EXPERT}
POST_AS_EXPERT = {"POST": Role.EXPERT}
POST_AS_LEAD = {"POST": Role.LEAD}
POST_AS_ADMIN = {"POST": Role.ADMIN}
ONLY_LEAD = {"GET": Role.LEAD, "POST": Role.LEAD}
ONLY_ADMIN = {"GET": Role.ADMIN, "POST": Role.ADMIN}

RULES = {
    "healthz": Rule(),
    "login": Rule(needs={**READ, **POST_AS_EXPERT}),
    "logout": Rule(needs=POST_AS_EXPERT),
    "start": Rule(about="secret"),
    "home": Rule(),
    "guide": Rule(),
    "activity-list": Rule(),
    "trace-list": Rule(),
    "trace-count": Rule(),
    "trace-detail": Rule(needs={**READ, **POST_AS_EXPERT}, about="trace"),
    "feedback-withdraw": Rule(needs=POST_AS_EXPERT, about="feedback"),
    "feedback-restore": Rule(needs=POST_AS_EXPERT, about="feedback"),
    "judge-list": Rule(),
    "judge-create": Rule(needs=ONLY_ADMIN),
    "judge-try": Rule(needs=POST_AS_ADMIN),
    "judge-trial": Rule(about="trial"),
    "judge-detail": Rule(about="judge"),
    "judge-edit": Rule(needs=ONLY_ADMIN, about="judge"),
    "judge-run": Rule(needs=ONLY_LEAD, about="judge"),
    "judge-readiness": Rule(about="judge"),
    "judge-review": Rule(about="judge"),
    "judge-guideline": Rule(needs={**READ, **POST_AS_LEAD}, about="judge"),
    "judge-settings": Rule(needs={**READ, **POST_AS_ADMIN}, about="judge"),
    "judge-rollback": Rule(needs=POST_AS_ADMIN, about="judge"),
    "run-start": Rule(needs=ONLY_ADMIN, about="judge"),
    "version-promote": Rule(needs=POST_AS_ADMIN, about="version"),
    "job-detail": Rule(about="job"),
    "job-cancel": Rule(needs=POST_AS_LEAD, about="job"),
    "run-list": Rule(),
    "run-detail": Rule(about="run"),
    "run-status": Rule(about="run"),
    "run-cancel": Rule(needs=POST_AS_ADMIN, about="run"),
    "run-promote": Rule(needs=POST_AS_ADMIN, about="run"),
    "run-reject": Rule(needs=POST_AS_ADMIN, about="run"),
    "settings-models": Rule(),
}
OURS = [name for name in RULES if name not in PUBLIC | DJANGOS]
CALLS = [(name, method) for name in OURS for method in RULES[name].needs]
CALLS_ABOUT = [(name, method) for name, method in CALLS if RULES[name].about]
CALLS_OF_LEADERS = [
    (name, method) for name, method in CALLS if RULES[name].needs[method] != Role.EXPERT
]
CALLS_THAT_READ = [(name, method) for name, method in CALLS if method == "GET"]
CALLS_THAT_WRITE = [(name, method) for name, method in CALLS if method == "POST"]


@dataclass(frozen=True, kw_only=True)
class World:
    """One team with a bit of everything, and `oscar`, the admin of another one."""

    people: Mapping[str, User]
    judge: Judge
    trace: Trace
    feedback: Assessment
    arguments: Mapping[str, object]

    def url(self, name: str) -> str:
        """The address, about the object that its rule names."""
        about = RULES[name].about
        return reverse(name, args=[self.arguments[about]] if about else [])

    def client(self, username: str) -> Client:
        """The browser of somebody who is signed in."""
        client = Client()
        client.force_login(self.people[username])
        return client


@pytest.fixture
def world(team, alice: User, lena: User, adam: User) -> World:
    experiment = create_experiment(team=team, name="Support desk")
    judge = create_judge(experiment=experiment, actor=adam)
    trace = create_trace(experiment=experiment)
    create_verdict(judge=judge, trace=trace)
    feedback = create_feedback(judge=judge, trace=trace, author=alice)
    assert judge.current_version is not None
    job = start_job(actor=lena, version=judge.current_version, traces=[trace.pk])
    # a trial is its starter's alone: the table asks for it as an expert, so that one has it here
    trial = JudgeTrial.objects.create(
        judge=judge,
        definition={**judge.current_version.to_domain().to_dict()},
        trace_pks=[trace.pk],
        created_by=alice,
    )
    elsewhere = create_team(name="Elsewhere")
    create_trace(experiment=create_experiment(team=elsewhere, name="Other desk"))
    oscar = create_user(username="oscar", team=elsewhere, role=Role.ADMIN)
    return World(
        people={"alice": alice, "lena": lena, "adam": adam, "oscar": oscar},
        judge=judge,
        trace=trace,
        feedback=feedback,
        arguments={
            "secret": "no-such-secret",
            "trace": trace.trace_id,
            "feedback": feedback.assessment_id,
            "trial": trial.pk,
            "judge": judge.pk,
            "version": judge.current_version.pk,
            "job": job.pk,
            "run": create_run(judge).pk,
        },
    )


@pytest.fixture
def strangers_judge() -> Judge:
    """A judge with a trace, in an experiment of a team that nobody here belongs to."""
    experiment = create_experiment(team=create_team(name="Strangers"))
    create_trace(experiment=experiment, trace_id="tr-strange")
    return create_judge(experiment=experiment, name="strange")


def test_every_address_is_listed():
    named = {pattern.name for pattern in urlpatterns if isinstance(pattern, URLPattern)}
    assert named == set(RULES), "list the new address in RULES, with the role that it wants"


@pytest.mark.parametrize(("name", "method"), CALLS)
def test_nobody_calls_it_without_signing_in(world: World, name: str, method: str):
    answer = Client().generic(method, world.url(name))
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, reverse("login"))


@pytest.mark.parametrize(("name", "method"), CALLS)
def test_whoever_holds_the_role_may_call_it(world: World, name: str, method: str):
    client = world.client(HOLDER[RULES[name].needs[method]])
    assert client.generic(method, world.url(name)).status_code in {200, 302, 404 if name == "trace-detail" and method == "POST" else 422}


@pytest.mark.parametrize(("name", "method"), CALLS_OF_LEADERS)
def test_a_role_below_is_refused(world: World, name: str, method: str):
    client = world.client(BELOW[RULES[name].needs[method]])
    answer = client.generic(method, world.url(name))
    assert answer.status_code == 403
    assert "ask one of your team" in answer.content.decode()


@pytest.mark.parametrize(("name", "method"), CALLS_ABOUT)
def test_for_another_team_it_does_not_exist(world: World, name: str, method: str):
    assert world.client("oscar").generic(method, world.url(name)).status_code == 404


@pytest.mark.parametrize(
    ("name", "method"), [call for call in CALLS_OF_LEADERS if call in CALLS_ABOUT]
)
def test_a_role_in_another_team_does_not_count(world: World, name: str, method: str):
    Membership.objects.create(
        user=world.people["oscar"], team=world.judge.experiment.team, role=Role.EXPERT
    )
    assert world.client("oscar").generic(method, world.url(name)).status_code == 403


@pytest.mark.parametrize("name", [*OURS, "healthz", "start"])
def test_other_methods_are_refused(world: World, name: str):
    client = world.client("adam")
    for method in METHODS:
        if method not in RULES[name].needs:
            assert client.generic(method, world.url(name)).status_code == 405, method


@pytest.mark.parametrize(("name", "method"), CALLS_THAT_WRITE)
def test_a_form_from_elsewhere_is_refused(world: World, name: str, method: str):
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.people["adam"])
    with CaptureQueriesContext(connection, ) as queries:
        assert client.generic(method, world.url(name)).status_code == 403
    assert not _writes(queries)


@pytest.mark.parametrize(("name", "method"), CALLS_THAT_READ)
def test_looking_changes_nothing(world: World, name: str, method: str):
    client = world.client("alice" if name == "judge-trial" else "adam")
    for query in ("", "?tab=versions&version=1", "?tab=disagreements", "?tab=runs", "?view=steps", "?view=raw"):
        with CaptureQueriesContext(connection) as queries:
            client.generic(method, world.url(name) + query)
        assert not _writes(queries)


def _writes(queries: CaptureQueriesContext) -> list[str]:
    """What was written to tables of ours; a session may be, for messages."""
    statements = [query["sql"] for query in queries.captured_queries]
    return [
        sql
        for sql in statements
        if sql.startswith(("INSERT", "UPDATE", "DELETE")) and '"annotator_' in sql
    ]


def test_after_signing_in_nobody_is_sent_to_another_site(client, alice: User):
    alice.set_password("a word")
    alice.save()
    for address in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        data = {"username": "alice", "password": "a word", "next": address}
        assert client.post(reverse("login"), data)["Location"] == reverse("home")
        assert client.post(f"{reverse('logout')}?next={address}")["Location"] == reverse("login")


def test_a_list_in_the_address_leads_to_the_list_and_nowhere_else(world: World):
    client = world.client("alice")
    page = f"{world.url('trace-detail')}?list=//evil.example/"
    text = client.get(page).content.decode()
    assert 'href="//evil' not in text
    answer = client.post(page, {"judge": world.judge.pk, "value": "poor"})
    assert answer["Location"].startswith(f"{world.url('trace-detail')}?list=%2F%2Fevil")
    answer = client.post(f"{world.url('feedback-withdraw')}?list=//evil.example/")
    assert answer["Location"].startswith(world.url("trace-detail"))


def test_a_filter_does_not_reach_into_another_team(world: World, strangers_judge: Judge):
    client = world.client("adam")
    for query in (
        {"experiment": strangers_judge.experiment_id},
        {"verdict": f"{strangers_judge.pk}:good"},
        {"label": f"{strangers_judge.pk}:good"},
    ):
        text = client.get(reverse("trace-list"), query).content.decode()
        assert "belongs to another team" in text
        assert "tr-strange" not in text


def test_a_run_takes_no_trace_from_elsewhere(world: World, strangers_judge: Judge):
    sibling = create_trace(experiment=create_experiment(team=world.judge.experiment.team))
    JudgeJob.objects.all().delete()
    client = world.client("lena")
    foreign = ["tr-strange", sibling.trace_id]
    url = world.url("judge-run")
    assert client.post(url, {"scope": "selected", "trace": foreign}).status_code == 422
    own = world.trace.trace_id
    assert client.post(url, {"scope": "selected", "trace": [*foreign, own]}).status_code == 302
    assert [shard.trace_pks for shard in JudgeJob.objects.get().shards.all()] == [[world.trace.pk]]


def test_a_filter_that_is_wrong_does_not_run_over_everything(world: World, strangers_judge: Judge):
    JudgeJob.objects.all().delete()
    client = world.client("lena")
    for wrong in (f"verdict={strangers_judge.pk}:good", "since=tomorrow", ""):
        data = {"scope": "filtered", "filter": wrong}
        assert client.post(world.url("judge-run"), data).status_code == 422
    assert not JudgeJob.objects.exists()


def test_a_trial_takes_no_trace_and_no_judge_from_elsewhere(world: World, strangers_judge: Judge):
    client = world.client("adam")
    form = {
        "name": "tone",
        "instructions": "Judge {{ outputs }}.",
        "value_kind": "BOOLEAN",
        "model": "demo:/judge",
        "experiment": world.judge.experiment_id,
        "trace": ["tr-strange", world.trace.trace_id],
    }
    url = world.url("judge-try")
    before = set(JudgeTrial.objects.values_list("pk", flat=True))
    assert client.post(url, form).status_code == 200
    assert JudgeTrial.objects.exclude(pk__in=before).get().trace_pks == [world.trace.pk]
    assert client.post(url, {**form, "judge": strangers_judge.pk}).status_code == 404
    experiment = strangers_judge.experiment_id
    assert client.post(url, {**form, "experiment": experiment}).status_code == 404
    assert JudgeTrial.objects.exclude(pk__in=before).count() == 1


def test_a_trial_is_seen_by_whoever_started_it_alone(world: World):
    client = world.client("adam")
    assert client.get(world.url("judge-trial")).status_code == 404
    looked = {"look_again": "", "trial": world.arguments["trial"], "judge": world.judge.pk}
    assert world.trace.request_preview not in client.post(
        world.url("judge-try"), looked, headers={"HX-Request": "true"}
    ).content.decode()


def test_a_judge_is_made_only_where_one_is_admin(world: World, strangers_judge: Judge):
    client = world.client("adam")
    query = f"?experiment={strangers_judge.experiment_id}"
    assert client.get(reverse("judge-create") + query).status_code == 404
    Membership.objects.create(
        user=world.people["adam"], team=strangers_judge.experiment.team, role=Role.LEAD
    )
    world.people["adam"].refresh_from_db()
    assert client.get(reverse("judge-create") + query).status_code == 403


def test_feedback_goes_to_no_judge_of_another_experiment(world: World, strangers_judge: Judge):
    client = world.client("alice")
    sibling = create_judge(
        experiment=create_experiment(team=world.judge.experiment.team), name="quality"
    )
    for judge in (strangers_judge, sibling):
        data = {"judge": judge.pk, "value": "good"}
        assert client.post(world.url("trace-detail"), data).status_code == 404


def test_colleagues_do_not_delete_feedback_and_an_admin_does(world: World):
    for username, is_valid in (("lena", True), ("adam", False)):
        world.client(username).post(world.url("feedback-withdraw"))
        world.feedback.refresh_from_db()
        assert world.feedback.valid is is_valid


def test_no_judge_gets_the_version_or_the_run_of_another(world: World, strangers_judge: Judge):
    adam, version = world.people["adam"], strangers_judge.current_version
    assert version is not None
    with pytest.raises(JudgeServiceError, match="another judge"):
        promote(actor=adam, judge=world.judge, version=version)
    run = finished_run(strangers_judge)
    assert run.candidate is not None
    run.judge = world.judge
    with pytest.raises((JudgeServiceError, RunError)):
        promote_run(actor=adam, run=run)
    client = world.client("adam")
    text = client.get(f"{world.url('run-start')}?from={run.pk}").content.decode()
    assert f"run {run.pk}" not in text.casefold()


def test_django_admin_is_for_staff(world: World):
    for client in (Client(), world.client("adam")):
        answer = client.get(reverse("admin:index"))
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, reverse("admin:login"))
