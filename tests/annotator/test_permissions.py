"""Who may call which address: every one is listed here, and a new one that is not fails the first test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse

from annotator.models import (
    AlignmentRun,
    ApiToken,
    Assessment,
    DriftAlarm,
    Judge,
    JudgeJob,
    JudgeTrial,
    Membership,
    ModelPrice,
    Role,
    Trace,
    User,
)
from annotator.services.jobs import start_job
from annotator.services.judges import JudgeServiceError, promote
from annotator.services.settling import settle_label
from annotator.urls import urlpatterns
from tests.annotator.run_rows import create_run, finished_run
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_session,
    create_team,
    create_token,
    create_trace,
    create_user,
    create_verdict,
)

pytestmark = pytest.mark.django_db

PUBLIC = {"healthz", "login", "start", "notification-off"}
DJANGOS = {"login", "logout"}  # its own views decide which methods they take
LOGIN = reverse("login")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
OPERATOR = "OPERATOR"  # no role in a team: who runs the installation
BELOW = {Role.LEAD: "alice", Role.ADMIN: "lena", OPERATOR: "adam"}
HOLDER = {Role.EXPERT: "alice", Role.LEAD: "lena", Role.ADMIN: "adam", OPERATOR: "otto"}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What an address wants: the role for each method, and which object of the world it is about, if a team's own."""

    needs: Mapping[str, str] = field(default_factory=lambda: {"GET": Role.EXPERT})
    about: str = ""
    is_of_a_team: bool = True


READ = {"GET": Role.EXPERT}
POST_AS_EXPERT = {"POST": Role.EXPERT}
POST_AS_LEAD = {"POST": Role.LEAD}
POST_AS_ADMIN = {"POST": Role.ADMIN}
POST_AS_OPERATOR = {"POST": OPERATOR}
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
    "judge-rule": Rule(needs={**READ, **POST_AS_ADMIN}, about="judge"),
    "judge-rereview": Rule(about="judge"),
    "judge-disagreements": Rule(about="judge"),
    "disagreement-cause": Rule(needs=POST_AS_LEAD, about="judge and trace"),
    "judge-settle": Rule(needs={"GET": Role.LEAD}, about="judge"),
    "judge-settle-trace": Rule(needs=ONLY_LEAD, about="judge and trace"),
    "settlement-reopen": Rule(needs=POST_AS_LEAD, about="settlement"),
    "settlement-pin": Rule(needs=POST_AS_LEAD, about="settlement"),
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
    "notification-off": Rule(about="secret"),
    "batch-list": Rule(),
    "offline-worker": Rule(),
    "batch-review": Rule(about="session"),
    "batch-more": Rule(needs=POST_AS_EXPERT, about="session"),
    "batch-undo": Rule(needs=POST_AS_EXPERT, about="session"),
    "batch-item": Rule(needs={**READ, **POST_AS_EXPERT}, about="session and place"),
    "batch-beat": Rule(needs=POST_AS_EXPERT, about="session and place"),
    "batch-leave": Rule(needs=POST_AS_EXPERT, about="session and place"),
    "settings-keys": Rule(needs={**READ, **POST_AS_EXPERT}),
    "session-list": Rule(),
    "session-create": Rule(needs=ONLY_LEAD),
    "session-preview": Rule(needs=POST_AS_LEAD),
    "session-mix": Rule(needs=POST_AS_LEAD),
    "session-detail": Rule(about="session"),
    "session-calendar": Rule(about="session"),
    "session-edit": Rule(needs=ONLY_LEAD, about="session"),
    "session-copy": Rule(needs=POST_AS_LEAD, about="session"),
    "session-act": Rule(needs=POST_AS_LEAD, about="session"),
    "session-rule": Rule(needs=POST_AS_LEAD, about="session"),
    "session-answers": Rule(needs={"GET": Role.LEAD}, about="session"),
    "session-items": Rule(needs={"GET": Role.LEAD}, about="session"),
    "session-change": Rule(needs=ONLY_LEAD, about="session"),
    "session-people": Rule(needs=POST_AS_LEAD, about="session"),
    "session-more-time": Rule(needs=POST_AS_LEAD, about="session"),
    "session-move": Rule(needs=POST_AS_LEAD, about="session"),
    "session-release": Rule(needs=POST_AS_LEAD, about="session"),
    "settings-notifications": Rule(needs={**READ, **POST_AS_EXPERT}),
    "settings-tokens": Rule(needs={**READ, **POST_AS_EXPERT}),
    "token-revoke": Rule(needs=POST_AS_EXPERT, about="token"),
    "settings-models": Rule(),
    "price-save": Rule(needs=POST_AS_OPERATOR),
    "price-remove": Rule(needs=POST_AS_OPERATOR, about="price", is_of_a_team=False),
    "judge-new-traces": Rule(needs=POST_AS_LEAD, about="judge"),
    "judge-drift": Rule(needs=ONLY_LEAD, about="judge"),
    "drift-stop": Rule(needs=POST_AS_LEAD, about="judge"),
    "drift-dismiss": Rule(needs=POST_AS_LEAD, about="alarm"),
}
OURS = [name for name in RULES if name not in PUBLIC | DJANGOS]
PARTS = {
    "judge-detail": ("?tab=versions&version=1", "?tab=runs"),
    "trace-detail": ("?view=steps", "?view=raw"),
}


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
        return reverse(name, args=[self.arguments[part] for part in about.split(" and ") if part])

    def call(self, client: Client, name: str, method: str) -> Any:
        """The answer to a request with the least that its form wants."""
        data = {"judge": self.judge.pk, "value": "good"} if name == "trace-detail" else {}
        if method == "POST":
            return client.post(self.url(name), data)
        return client.generic(method, self.url(name))

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
        definition=judge.current_version.to_domain().to_dict(),
        trace_pks=[trace.pk],
        created_by=alice,
    )
    # of a trace of its own: what is open in a session is hidden on other pages
    asked = create_trace(experiment=experiment)
    session = create_session(judge=judge, reviewers=[alice, lena], traces=[asked], actor=lena)
    create_token(user=alice)
    api_token = ApiToken.objects.get()
    elsewhere = create_team(name="Elsewhere")
    create_trace(experiment=create_experiment(team=elsewhere, name="Other desk"))
    oscar = create_user(username="oscar", team=elsewhere, role=Role.ADMIN)
    otto = create_user(username="otto", is_staff=True)
    return World(
        people={"alice": alice, "lena": lena, "adam": adam, "oscar": oscar, "otto": otto},
        judge=judge,
        trace=trace,
        feedback=feedback,
        arguments={
            "secret": "no-such-secret",
            "trace": trace.trace_id,
            "feedback": feedback.assessment_id,
            "trial": trial.pk,
            "token": api_token.pk,
            "judge": judge.pk,
            "version": judge.current_version.pk,
            "job": job.pk,
            "run": create_run(judge).pk,
            "settlement": settle_label(actor=lena, judge=judge, trace=trace, value="good").pk,
            "session": session.pk,
            "place": session.reviewers.get(user=alice).assignments.get().pk,
            "price": ModelPrice.objects.create(
                model="openai:/ours", input_per_million=1, output_per_million=1
            ).pk,
            "alarm": DriftAlarm.objects.create(
                judge=judge, version=judge.current_version, kind="MIX_SHIFTED", evidence="x"
            ).pk,
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


@pytest.mark.parametrize("name", OURS)
def test_an_address_is_open_to_its_role_and_to_nobody_below(world: World, name: str):
    for method, role in RULES[name].needs.items():
        anonymous = world.call(Client(), name, method)
        assert (anonymous.status_code, anonymous["Location"].split("?")[0]) == (302, LOGIN)
        if role in BELOW:
            refused = world.call(world.client(BELOW[role]), name, method)
            assert refused.status_code == 403
            whom = "ask one of your team" if role in set(Role) else "operators of this installation"
            assert whom in refused.content.decode()
        assert world.call(world.client(HOLDER[role]), name, method).status_code in {
            200,
            204,
            302,
            422,
        }


@pytest.mark.parametrize(
    "name", [name for name in OURS if RULES[name].about and RULES[name].is_of_a_team]
)
def test_for_another_team_it_does_not_exist(world: World, name: str):
    oscar = world.client("oscar")
    for method in RULES[name].needs:
        assert world.call(oscar, name, method).status_code == 404
    Membership.objects.create(
        user=world.people["oscar"], team=world.judge.experiment.team, role=Role.EXPERT
    )
    for method, role in RULES[name].needs.items():
        if role != Role.EXPERT:  # what he is in his own team does not count here
            # a session is known to nobody outside it
            outside = 404 if RULES[name].about == "session" else 403
            assert world.call(oscar, name, method).status_code == outside


@pytest.mark.parametrize("name", [*OURS, "healthz", "start"])
def test_other_methods_are_refused_and_forms_from_elsewhere_too(world: World, name: str):
    adam = world.client("adam")
    for method in METHODS:
        if method not in RULES[name].needs:
            assert world.call(adam, name, method).status_code == 405, method
    if "POST" in RULES[name].needs:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(world.people["adam"])
        with CaptureQueriesContext(connection) as queries:
            assert world.call(strict, name, "POST").status_code == 403
        assert not _writes(queries)


@pytest.mark.parametrize("name", [name for name in OURS if "GET" in RULES[name].needs])
def test_looking_changes_nothing(world: World, name: str):
    client = world.client("alice" if name == "judge-trial" else "adam")
    for query in ("", *PARTS.get(name, ())):
        with CaptureQueriesContext(connection) as queries:
            client.get(world.url(name) + query)
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
    assert (
        world.trace.request_preview
        not in client.post(
            world.url("judge-try"), looked, headers={"HX-Request": "true"}
        ).content.decode()
    )


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
    run = AlignmentRun.objects.get(judge=world.judge)
    run.status, run.candidate, run.decision = "SUCCEEDED", version, AlignmentRun.Decision.OPEN
    run.save()
    client = world.client("adam")
    client.post(world.url("run-promote"))
    world.judge.refresh_from_db()
    assert world.judge.current_version_id == world.arguments["version"]
    other = finished_run(strangers_judge)
    text = client.get(f"{world.url('run-start')}?from={other.pk}").content.decode()
    assert f"Run {other.pk}" not in text


def test_django_admin_is_for_staff(world: World):
    for client in (Client(), world.client("adam")):
        answer = client.get(reverse("admin:index"))
        assert (answer.status_code, answer["Location"].split("?")[0]) == (
            302,
            reverse("admin:login"),
        )
