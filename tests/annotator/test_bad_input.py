"""Junk in every form and every parameter: a sentence or nothing at all, never an error of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from annotator.models import AlignmentRun, Judge, JudgeJob, User
from annotator.services.jobs import start_job
from annotator.services.judges import save_guideline
from judges.values import ValueKind, ValueType
from tests.annotator.run_rows import finished_run
from tests.factories import (
    create_experiment,
    create_feedback,
    create_judge,
    create_trace,
    create_verdict,
)

pytestmark = pytest.mark.django_db

SCORE = ValueType(kind=ValueKind.INTEGER, minimum=1, maximum=5)
ANSWERS = {200, 302, 400, 403, 404, 405, 422}

# What the databases, the parsers and the pages each stumble over.
NASTY = [
    "",
    " ",
    "0",
    "-1",
    "1.5",
    "NaN",
    "nan",
    "inf",
    "-Infinity",
    "1e308",
    "-1e308",
    "1e400",
    "9" * 17,
    "9" * 18,
    "9" * 19,
    "9" * 400,
    "9" * 5_000,
    "٣",
    "²",
    "a\0b",
    "\0",
    "\ud800",
    "%ED%A0%80",
    "%00",
    "line\nbreak",
    "a\r\nb",
    "\u2028",
    "\ufffe",
    '"',
    '"" OR 1',
    "a* NEAR(b)",
    "'; DROP TABLE annotator_trace; --",
    "%s %(x)s {0} {x}",
    "{{ inputs }}",
    "{{ nonsense }}",
    "{% debug %}",
    "<script>",
    "../../etc/passwd",
    "null",
    "true",
    "[]",
    "{}",
    '{"a": NaN}',
    '{"a": Infinity}',
    '{"a": "\\ud800"}',
    '{"\\udfff": 1}',
    '{"a": "\\u0000"}',
    '{"a": "x\\ny"}',
    '{"a": ' + "9" * 4_000 + "}",
    '{"temperature": "hot"}',
    "[" * 4_000,
    '{"a": ' + "[" * 900 + "]" * 900 + "}",
    '{"a":',
    "0001-01-01",
    "9999-12-31",
    "2026-02-30",
    "99999999999999999999.1",
    "-62135596800000001.1",
    "253402300799999999.9223372036854775808",
    "1.99999999999999999999999",
    "..",
    ".",
    "1:",
    ":",
    "1:good",
    "1:~any",
    "1:\0",
    "demo:/judge",
    "http://",
    "POSITIVE",
    "x" * 300,
    "é" * 20_001,
    "x" * 1_000_000,
]
texts = st.one_of(st.sampled_from(NASTY), st.text(st.characters(codec=None), max_size=40))
bounded = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Site:
    """A bit of everything, signed in as an admin."""

    def __init__(self, admin: User, judge: Judge, scale: Judge, run: AlignmentRun) -> None:
        self.admin, self.judge, self.scale, self.run = admin, judge, scale, run
        self.client = Client()
        self.client.force_login(admin)


@pytest.fixture
def site(team, adam: User, alice: User) -> Site:
    experiment = create_experiment(team=team)
    judge = create_judge(experiment=experiment, actor=adam)
    scale = create_judge(
        experiment=experiment,
        name="scale",
        value_type=SCORE,
        instructions="{{ outputs }}",
    )
    save_guideline(actor=adam, judge=judge, text="Be fair.", choose_when={"good": "it helps"})
    for _ in range(3):
        trace = create_trace(experiment=experiment)
        create_verdict(judge=judge, trace=trace)
        create_feedback(judge=judge, trace=trace, author=alice)
    return Site(adam, judge, scale, finished_run(judge))


def _encoded(data: dict[str, Any]) -> str:
    """A query string or form body that holds every character, also those that no client of ours would send."""
    pairs = [
        (name, each)
        for name, value in data.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    return "&".join(f"{_quoted(name)}={_quoted(str(value))}" for name, value in pairs)


def _quoted(text: str, safe: str = "") -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe=safe)


def _filled(form: Any) -> dict[str, Any]:
    """What a browser sends when somebody presses the button at once."""
    values = {bound.html_name: bound.value() for bound in form}
    return {name: value for name, value in values.items() if value not in (None, False)}


def forms_of(site: Site) -> dict[str, dict[str, Any]]:
    """Every address that takes a form, with a form that it would take."""
    judge, scale = site.judge, site.scale
    version, other = judge.current_version, scale.current_version
    assert version is not None and other is not None
    trace = judge.experiment.traces.first()
    new = {
        "experiment": judge.experiment_id,
        "name": "tone",
        "description": "d",
        "instructions": "Judge {{ outputs }}.",
        "value_kind": "CATEGORY",
        "categories": "good\npoor",
        "ordered": "on",
        "minimum": "",
        "maximum": "",
        "yes_is": "POSITIVE",
        "good": "good",
        "bad": "poor",
        "model": "demo:/judge",
        "inference_params": "{}",
        "base_url": "",
        "extra_headers": "{}",
        "trace": trace.trace_id,
    }
    number = {**new, "value_kind": "NUMBER", "minimum": "0", "maximum": "9", "good": "5", "bad": "4"}
    reason = {"reason": "because"}
    def at(name: str, *args: Any) -> str:
        return reverse(name, args=args)
    return {
        at("judge-create"): new,
        at("judge-create") + "?number": number,
        at("judge-create") + "?whole": {**number, "value_kind": "INTEGER"},
        at("judge-try"): {**new, "look_again": "", "trial": "", "judge": ""},
        at("judge-edit", judge.pk): {**_filled(JudgeForm(judge=judge, initial=judge_form_initial(version))), "instructions": "New: {{ outputs }}", "note": "why"},
        at("judge-edit", scale.pk): {**_filled(JudgeForm(judge=scale, initial=judge_form_initial(other))), "instructions": "New: {{ outputs }}", "note": "why"},
        at("judge-settings", judge.pk): {**_filled(SettingsForm(judge=judge)), **_filled(OptimizerForm(judge=judge))},
        at("judge-settings", scale.pk): {**_filled(SettingsForm(judge=scale)), **_filled(OptimizerForm(judge=scale))},
        at("judge-guideline", judge.pk): {**_filled(GuidelineForm(judge=judge)), "text": "New."},
        at("judge-run", judge.pk): {"scope": "filtered", "filter": "q=parcel", "trace": trace.trace_id},
        at("judge-run", judge.pk) + "?selected": {"scope": "selected", "trace": trace.trace_id},
        at("run-start", judge.pk): _filled(OptimizerForm(judge=judge, with_seed=True)),
        at("run-promote", site.run.pk): reason,
        at("run-reject", site.run.pk): reason,
        at("version-promote", site.run.candidate_id): reason,
        at("trace-detail", trace.trace_id): {"judge": judge.pk, "value": "good", "rationale": "r", "decline": "", "decline_text": "", "action": "answer"},
        at("trace-detail", trace.trace_id) + "?scale": {"judge": scale.pk, "value": "3", "rationale": "r"},
        at("trace-detail", trace.trace_id) + "?decline": {"judge": judge.pk, "decline": "other", "decline_text": "dark", "action": "decline"},
        at("login"): {"username": "adam", "password": "x", "next": "/"},
    }


FILTER = ("experiment", "verdict", "label", "feedback", "time", "since", "until", "q")


def pages_of(site: Site) -> dict[str, tuple[str, ...]]:
    """Every page, with the parameters it reads."""
    judge, trace = site.judge, site.judge.experiment.traces.first()
    def at(name: str, *args: Any) -> str:
        return reverse(name, args=args)
    return {
        at("trace-list"): (*FILTER, "older", "newer"),
        at("trace-count"): FILTER,
        at("trace-detail", trace.trace_id): ("list", "view", "judge"),
        at("activity-list"): ("older",),
        at("judge-detail", judge.pk): ("tab", "version", "undo"),
        at("judge-edit", judge.pk): ("from", "trace"),
        at("judge-create"): ("experiment",),
        at("judge-run", judge.pk): FILTER,
        at("judge-guideline", judge.pk): ("number", "edit"),
        at("run-list"): ("judge", "before"),
        at("run-detail", site.run.pk): ("show",),
        at("run-start", judge.pk): ("from",),
    }


PATHS = ("/trace/{}", "/feedback/{}/withdraw/", "/feedback/{}/restore/", "/start/{}", "/judges/{}/", "/judges/{}/edit/", "/jobs/{}/", "/runs/{}/", "/versions/{}/promote/", "/judges/trials/{}/")


def shown_after(site: Site) -> list[str]:
    """The pages that show what a form may have stored."""
    judges = list(Judge.objects.all())
    each = [reverse(name, args=[judge.pk]) for judge in judges for name in ("judge-detail", "judge-edit", "judge-settings", "judge-guideline", "judge-run", "run-start")]
    tabs = [reverse("judge-detail", args=[judge.pk]) + f"?tab={tab}" for judge in judges for tab in ("versions&version=2", "disagreements", "runs")]
    trace = site.judge.experiment.traces.first()
    return [*each, *tabs, reverse("trace-detail", args=[trace.trace_id]), *map(reverse, ("home", "trace-list", "judge-list", "run-list", "activity-list", "settings-models")), reverse("run-detail", args=[site.run.pk])]


