"""Text from outside stays text: one payload in every column that a page shows, and every page looked through."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotator.models import (
    ActivityLog,
    AlignmentRun,
    Assessment,
    Judge,
    JudgeJob,
    JudgeShard,
    JudgeTrial,
    Kind,
    Source,
    Span,
    Team,
    Trace,
    User,
    WorkStatus,
)
from annotator.services.feedback import add_feedback, withdraw_feedback
from annotator.services.guidelines import save_guideline
from annotator.services.judges import edit_judge
from judges.values import ValueKind, ValueType
from tests.annotator.run_rows import finished_run
from tests.factories import create_experiment, create_judge, create_trace, create_verdict

pytestmark = pytest.mark.django_db

EVIL = "'\"><x-evil x-evil=1 onclick=alert(1)>[a](javascript:alert(2))![b](http://evil.example/c)"
# one that a page would take for a closed element or attribute of its own
TURNS = ["</textarea>", "</title>", "</script>", "-->", "<!--", "]]>"]
PAYLOAD = EVIL + "".join(f"{turn}<x-evil>" for turn in TURNS)
ADDRESSES = {"href", "src", "action", "formaction", "hx-get", "hx-post", "poster", "data"}
HTMX = {"HX-Request": "true"}


class Inspection(HTMLParser):
    """Notes what no page of ours has."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Elements and attributes that came out of a text, and addresses that run something or lead elsewhere."""
        names = {name for name, _ in attrs}
        if tag in {"x-evil", "img", "iframe", "object", "embed"} or "x-evil" in names:
            self.found.append(f"{tag} {attrs}")
        if tag == "script" and "src" not in names:
            self.found.append("an inline script")
        self.found += [f"{tag} {name}" for name in names if name.startswith("on")]
        for name, value in attrs:
            if name in ADDRESSES and not (value or "").startswith(("/", "?", "#")):
                self.found.append(f"{tag} {name}={value!r}")


def inspect(text: str) -> list[str]:
    """What is wrong with a page."""
    inspection = Inspection()
    inspection.feed(text)
    inspection.close()
    return inspection.found


@pytest.fixture
def run(team: Team, alice: User, lena: User, adam: User) -> AlignmentRun:
    """A run of a judge in a team where every text is the payload."""
    team.name = PAYLOAD[:120]
    team.save()
    for person in (alice, lena, adam):
        person.first_name = person.last_name = PAYLOAD[:150]
        person.save()
    experiment = create_experiment(team=team, name=PAYLOAD[:250])
    judge = create_judge(
        experiment=experiment,
        actor=adam,
        name=PAYLOAD[:250],
        description=PAYLOAD,
        instructions=f"{{{{ inputs }}}} {PAYLOAD}",
        value_type=ValueType(kind=ValueKind.CATEGORY, categories=(PAYLOAD, "poor")),
        model=f"demo:/{EVIL[:20].replace(' ', '')}",
        extra_headers={PAYLOAD: PAYLOAD},
        base_url=f"http://{PAYLOAD}",
        inference_params={PAYLOAD: PAYLOAD},
    )
    save_guideline(actor=lena, judge=judge, text=PAYLOAD, choose_when={PAYLOAD: PAYLOAD})
    trace = _evil_trace(judge)
    create_verdict(judge=judge, trace=trace, value=PAYLOAD, rationale=PAYLOAD)
    for _ in range(2):
        other = create_trace(experiment=experiment, question=PAYLOAD, answer=PAYLOAD)
        create_verdict(judge=judge, trace=other, value="poor", rationale=PAYLOAD)
        add_feedback(author=lena, trace=other, judge=judge, value=PAYLOAD, rationale=PAYLOAD)
    withdraw_feedback(
        author=alice,
        assessment=add_feedback(
            author=alice, trace=trace, judge=judge, value=PAYLOAD, rationale=PAYLOAD
        ),
    )
    add_feedback(author=alice, trace=trace, judge=judge, declined_reason=PAYLOAD[:500])
    finished = finished_run(judge)
    edit_judge(
        actor=adam,
        judge=judge,
        instructions=f"{PAYLOAD} {{{{ inputs }}}} {{{{ outputs }}}}",
        value_type=judge.value_type,
        model="demo:/judge",
        note=PAYLOAD[:500],
    )
    Assessment.objects.create(
        trace=trace,
        name=judge.name,
        judge_version=judge.current_version,
        source_type=Source.LLM_JUDGE,
        source_id=PAYLOAD[:250],
        error_kind="ProviderError",
        error_text=PAYLOAD,
    )
    _evil_work(judge, trace, adam)
    for field in ("error_text", "outcome_reason", "decision_reason", "optimizer_version"):
        setattr(finished, field, PAYLOAD[:40] if field == "optimizer_version" else PAYLOAD)
    finished.optimizer = finished.model = PAYLOAD[:200]
    finished.params = {PAYLOAD: PAYLOAD}
    finished.log_lines = [PAYLOAD]
    finished.stages = [
        {"name": "SPLIT", "started_at": None, "finished_at": None, "result": PAYLOAD}
    ]
    finished.excluded = [{"trace_id": PAYLOAD, "code": "TIE", "reason": PAYLOAD}]
    finished.items = [
        {**item, "trace_id": PAYLOAD, "before_rationale": PAYLOAD, "after_rationale": PAYLOAD}
        for item in finished.items
    ]
    finished.decided_by = finished.started_by = adam
    finished.save()
    return finished


def _evil_trace(judge: Judge) -> Trace:
    call = {"id": "1", "function": {"name": PAYLOAD, "arguments": f'{{"a": "{EVIL[1:3]}"}}'}}
    messages = [
        {"role": "user", "content": PAYLOAD},
        {"role": PAYLOAD, "name": PAYLOAD, "content": [{"type": PAYLOAD, PAYLOAD: PAYLOAD}]},
        {"role": "assistant", "content": PAYLOAD, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": {PAYLOAD: [PAYLOAD]}},
    ]
    trace = create_trace(
        experiment=judge.experiment,
        trace_id=PAYLOAD[:200].replace("/", ""),
        inputs={"messages": messages, PAYLOAD: PAYLOAD},
        outputs={PAYLOAD: {PAYLOAD: PAYLOAD * 20}},
        request_preview=PAYLOAD,
        response_preview=PAYLOAD,
        tags={PAYLOAD: PAYLOAD},
        metadata={PAYLOAD: PAYLOAD},
        conversation_id=PAYLOAD[:250],
        state="ERROR",
    )
    Span.objects.create(
        trace=trace,
        span_id=PAYLOAD[:64],
        name=PAYLOAD,
        span_type=PAYLOAD[:60],
        start_ns=1,
        end_ns=9,
        inputs=PAYLOAD,
        outputs={PAYLOAD: PAYLOAD},
        status="ERROR",
        status_message=PAYLOAD,
        attributes={PAYLOAD: PAYLOAD},
    )
    for kind, value in ((Kind.EXPECTATION, {PAYLOAD: PAYLOAD}), (Kind.FEEDBACK, PAYLOAD)):
        Assessment.objects.create(
            trace=trace,
            kind=kind,
            name=f"other {PAYLOAD}"[:250],
            source_type=Source.CODE,
            source_id=PAYLOAD[:250],
            span_id=PAYLOAD[:64],
            value=value,
            rationale=PAYLOAD,
        )
    return trace


def _evil_work(judge: Judge, trace: Trace, admin: User) -> None:
    version = judge.current_version
    assert version is not None
    job = JudgeJob.objects.create(
        version=version, selection=PAYLOAD[:500], total=2, created_by=admin
    )
    JudgeShard.objects.create(
        job=job,
        trace_pks=[trace.pk],
        status=WorkStatus.FAILED,
        error_text=PAYLOAD,
        failures=[{"trace_id": PAYLOAD, "kind": PAYLOAD, "error": PAYLOAD}],
    )
    results = {"trace_id": PAYLOAD, "preview": PAYLOAD, "rationale": PAYLOAD}
    JudgeTrial.objects.create(
        judge=judge,
        definition=version.to_domain().to_dict(),
        trace_pks=[trace.pk],
        created_by=admin,
        status=WorkStatus.FAILED,
        finished_at=timezone.now(),
        error_text=PAYLOAD,
        results=[
            {**results, "value": PAYLOAD, "error": ""},
            {**results, "value": None, "error": PAYLOAD},
        ],
    )
    ActivityLog.objects.create(
        team=judge.experiment.team,
        actor=admin,
        action=PAYLOAD[:60],
        target_kind=PAYLOAD[:40],
        target_id="1",
        target_name=PAYLOAD[:300],
        before={PAYLOAD: PAYLOAD},
        after=PAYLOAD,
    )


def _pages(run: AlignmentRun) -> list[str]:
    judge, trace = run.judge, Trace.objects.get(tags__contains="x-evil")
    job, trial = JudgeJob.objects.get(), JudgeTrial.objects.get()

    def of_judge(name: str) -> str:
        return reverse(name, args=[judge.pk])

    detail, of_trace = of_judge("judge-detail"), reverse("trace-detail", args=[trace.trace_id])
    return [
        *map(reverse, ("home", "judge-list", "run-list", "activity-list", "settings-models")),
        reverse("trace-list"),
        reverse("judge-create"),
        *(f"{of_trace}?view={view}" for view in ("reading", "steps", "raw")),
        detail,
        *(f"{detail}?tab={tab}" for tab in ("disagreements", "runs", "versions&version=3")),
        f"{detail}?undo=1",
        *map(of_judge, ("judge-edit", "judge-settings", "judge-guideline", "judge-readiness")),
        *map(of_judge, ("judge-run", "run-start")),
        f"{of_judge('judge-guideline')}?edit",
        reverse("job-detail", args=[job.pk]),
        reverse("judge-trial", args=[trial.pk]),
        f"{reverse('run-detail', args=[run.pk])}?show=all",
    ]


def test_no_page_takes_a_text_for_markup(client: Client, run: AlignmentRun, adam: User):
    client.force_login(adam)
    for page in _pages(run):
        answer = client.get(page)
        text = answer.content.decode()
        assert answer.status_code == 200, page
        assert "&lt;x-evil" in text, f"{page} does not show the payload at all"
        assert inspect(text) == [], page
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_what_an_address_or_a_form_says_comes_back_as_text(
    client: Client, run: AlignmentRun, adam: User
):
    client.force_login(adam)
    judge = run.judge
    trace = Trace.objects.get(tags__contains="x-evil")
    names = ("experiment", "verdict", "label", "feedback", "time", "since", "until", "q", "older")
    asked = [
        client.get(reverse("trace-list"), dict.fromkeys(names, PAYLOAD[:200])),
        client.get(reverse("trace-detail", args=[trace.trace_id]), {"list": f"q={PAYLOAD}"}),
        client.get(reverse("judge-run", args=[judge.pk]), {"q": PAYLOAD}),
        client.get(reverse("run-list"), {"judge": PAYLOAD, "before": PAYLOAD}),
        client.get(reverse("judge-edit", args=[judge.pk]), {"trace": PAYLOAD}),
        client.get(f"/start/{PAYLOAD.replace('/', '')}"),
        client.get(f"/{PAYLOAD}"),
    ]
    fields = (
        *("name", "description", "instructions", "value_kind", "categories", "minimum", "good"),
        *("bad", "model", "inference_params", "base_url", "extra_headers", "note", "optimizer"),
        *("optimizer_model", "seed", "adjudicator", "label_rule", "text", "value", "rationale"),
        *("decline", "decline_text", "scope", "filter", "trace", "reason"),
    )
    form = {**dict.fromkeys(fields, PAYLOAD), "judge": judge.pk}
    asked += [
        client.post(address, form, headers=headers)
        for address in (
            reverse("judge-create"),
            reverse("judge-edit", args=[judge.pk]),
            reverse("judge-try"),
            reverse("judge-settings", args=[judge.pk]),
            reverse("judge-guideline", args=[judge.pk]),
            reverse("judge-run", args=[judge.pk]),
            reverse("run-start", args=[judge.pk]),
            reverse("trace-detail", args=[trace.trace_id]),
            reverse("run-reject", args=[run.pk]),
        )
        for headers in ({}, HTMX)
    ]
    asked.append(client.get(reverse("home")))  # with the messages of all that
    for answer in asked:
        assert inspect(answer.content.decode()) == []
        assert answer.status_code < 500
