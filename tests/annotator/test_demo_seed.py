"""The demo's rows: everything is there once, true, and three labels short of an alignment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from alignment.sides import Side
from annotator.demo.seed import seed_demo
from annotator.demo.world import demo_world, initial_verdicts, settled_labels
from annotator.models import (
    WAITING,
    ActivityLog,
    AlignmentRun,
    Assessment,
    Assignment,
    AssignmentState,
    FeedbackSession,
    Judge,
    Label,
    Membership,
    SessionStatus,
    Span,
    Team,
    Trace,
    User,
)
from annotator.services.agreement import agreement_of
from annotator.services.feedback import add_feedback
from annotator.services.readiness import readiness_of, review_next

pytestmark = pytest.mark.django_db


@pytest.fixture
def judge() -> Judge:
    assert seed_demo()
    return Judge.objects.select_related("current_version", "experiment__team").get()


def test_a_second_time_nothing_happens(judge: Judge):
    def counts() -> list[int]:
        models = (Team, User, Membership, Trace, Span, Assessment, Judge, Label, ActivityLog)
        return [model.objects.count() for model in models]

    before = counts()
    assert seed_demo() is False
    assert counts() == before


def test_the_people_have_their_roles_and_no_password(judge: Judge):
    roles = dict(Membership.objects.values_list("user__username", "role"))
    assert roles == {
        "admin": "ADMIN",
        "lead": "LEAD",
        "expert1": "EXPERT",
        "expert2": "EXPERT",
        "expert3": "EXPERT",
    }
    assert not any(user.has_usable_password() for user in User.objects.all())
    assert [user.username for user in User.objects.filter(is_superuser=True, is_staff=True)] == [
        "admin"
    ]
    assert all(user.get_full_name() for user in User.objects.all())


def test_an_admin_that_is_here_already_keeps_the_password():
    User.objects.create_user(username="admin", password="kept")
    assert seed_demo()
    admin = User.objects.get(username="admin")
    assert admin.check_password("kept")
    assert not admin.is_superuser


def test_the_judge_stands_exactly_three_labels_short(judge: Judge):
    state = readiness_of(judge)
    assert (judge.name, judge.minimum_labels) == ("product_quality", 60)
    assert (state.usable, state.missing) == (57, ["3 more labels"])
    assert min(state.share(Side.POSITIVE), state.share(Side.NEGATIVE)) >= 0.30
    assert not AlignmentRun.objects.exists()
    assert dict(Label.objects.values_list("trace__trace_id", "value")) == settled_labels(
        demo_world()
    )


def test_three_more_answers_by_one_person_make_it_ready(judge: Judge):
    expert = User.objects.get(username="expert1")
    for trace_id in review_next(judge=judge, user=expert)[:3]:
        trace = Trace.objects.get(trace_id=trace_id)
        add_feedback(author=expert, trace=trace, judge=judge, value="good")
    assert readiness_of(judge).is_ready


def test_every_trace_has_a_true_verdict_and_its_spans_in_its_own_time(judge: Judge):
    verdicts = dict(Assessment.objects.verdicts().values_list("trace__trace_id", "value"))
    assert verdicts == {trace_id: verdict.value for trace_id, verdict in initial_verdicts().items()}
    assert Trace.objects.count() == len(verdicts) >= 150
    now = timezone.now()
    for trace in Trace.objects.prefetch_related("spans"):
        assert now - timedelta(days=15) < trace.requested_at < now
        assert trace.request_preview
        assert trace.response_preview
        began = trace.requested_at.timestamp() * 1e9
        assert all(abs(span.start_ns - began) < 120e9 for span in trace.spans.all())
    assert Trace.objects.exclude(conversation_id="").count() >= 5


def test_the_feedback_is_the_experts_own_with_its_time_and_guideline(judge: Judge):
    answers = Assessment.objects.filter(source_type="HUMAN").select_related("author", "trace")
    assert answers.count() == len(demo_world().feedback)
    for answer in answers:
        assert answer.author is not None
        assert answer.author.username == answer.source_id
        assert answer.guideline == judge.guideline
        assert answer.trace.requested_at < answer.created_at < timezone.now()
        assert answer.valid or answer.overridden_by.exists()
    logged = ActivityLog.objects.filter(target_kind="assessment")
    assert logged.count() == answers.count()


def test_the_first_judge_is_mediocre_and_both_kinds_of_figures_exist(judge: Judge):
    agreement = agreement_of(judge)
    (first,) = agreement.versions
    assert first.agreement.n == 57
    assert 0.2 < (first.agreement.accuracy.value or 0) < 0.6
    assert agreement.humans.krippendorff_alpha["ordinal"].value is not None


def test_one_session_runs_with_progress_and_one_is_planned(judge: Judge):
    running = FeedbackSession.objects.get(status=SessionStatus.OPEN)
    planned = FeedbackSession.objects.get(status=SessionStatus.SCHEDULED)
    done = Assignment.objects.filter(item__session=running, state=AssignmentState.DONE)
    waiting = Assignment.objects.filter(item__session=running, state__in=WAITING)

    assert done.count() == 12
    assert not done.filter(assessments=None).exists()
    assert set(waiting.values_list("reviewer__user__username", flat=True)) == {
        "admin",
        "expert1",
        "expert2",
        "expert3",
    }
    assert planned.opens_at is not None
    assert planned.opens_at > timezone.now()
    assert planned.reviewers.count() == 4
