"""Junk in every form and every parameter: a sentence or nothing at all, never an error of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.ingest.jsonl import decode_traces
from annotator.models import AlignmentRun, Judge, Team, Trace, User
from annotator.services.guidelines import save_guideline
from annotator.services.imports import import_traces
from annotator.views.guideline_forms import GuidelineForm
from annotator.views.judge_forms import JudgeForm, judge_form_initial
from annotator.views.optimizer_form import OptimizerForm
from annotator.views.policy_forms import SettingsForm
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
    "", " ", "0", "-1", "1.5", "NaN", "nan", "inf", "-Infinity", "1e308", "-1e308", "1e400",
    "9" * 17, "9" * 18, "9" * 19, "9" * 400, "9" * 5_000, "٣", "²", "a\0b", "\0", "\ud800",
    "%ED%A0%80", "%00", "line\nbreak", "a\r\nb", "\u2028", "\ufffe", '"', '"" OR 1', "a* NEAR(b)",
    "'; DROP TABLE annotator_trace; --", "%s %(x)s {0} {x}", "{{ inputs }}", "{{ nonsense }}",
    "{% debug %}", "<script>", "../../etc/passwd", "null", "true", "[]", "{}", '{"a": NaN}',
    '{"a": Infinity}', '{"a": "\\ud800"}', '{"\\udfff": 1}', '{"a": "\\u0000"}', '{"a": "x\\ny"}',
    '{"a": ' + "9" * 4_000 + "}", '{"temperature": "hot"}', "[" * 4_000,
    '{"a": ' + "[" * 900 + "]" * 900 + "}", '{"a":', "0001-01-01", "9999-12-31", "2026-02-30",
    "99999999999999999999.1", "-62135596800000001.1", "253402300799999999.9223372036854775808",
    "1.99999999999999999999999", "..", ".", "1:", ":", "1:good", "1:~any", "1:\0", "demo:/judge",
    "http://", "POSITIVE", "x" * 300, "é" * 20_001, "x" * 1_000_000,
]  # fmt: skip
texts = st.one_of(st.sampled_from(NASTY), st.text(st.characters(codec=None), max_size=40))
bounded = settings(max_examples=40, derandomize=True, deadline=None, database=None)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A bit of everything, and the browser of an admin."""

    client: Client
    judge: Judge
    scale: Judge
    trace: Trace
    run: AlignmentRun

    def post(self, address: str, form: Mapping[str, Any]) -> Any:
        """Send a form. What follows the “?” only tells apart several forms for one address."""
        body = "&".join(f"{quoted(name)}={quoted(str(value))}" for name, value in form.items())
        kind = "application/x-www-form-urlencoded"
        return self.client.post(address.partition("?")[0], body, content_type=kind)


@pytest.fixture
def site(client: Client, team: Team, adam: User, alice: User) -> Site:
    experiment = create_experiment(team=team)
    judge = create_judge(experiment=experiment, actor=adam, minimum_labels=2)
    scale = create_judge(experiment=experiment, name="scale", value_type=SCORE)
    save_guideline(actor=adam, judge=judge, text="Be fair.", choose_when={"good": "it helps"})
    traces = [create_trace(experiment=experiment) for _ in range(3)]
    for trace, value in zip(traces, ("good", "poor", "good"), strict=True):
        create_verdict(judge=judge, trace=trace)
        create_feedback(judge=judge, trace=trace, author=alice, value=value)
    client.force_login(adam)
    run = finished_run(judge)
    return Site(client=client, judge=judge, scale=scale, trace=traces[0], run=run)


def quoted(text: str) -> str:
    """Any text for an address or a form, also what no browser would send."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def _filled(form: Any) -> dict[str, Any]:
    """What a browser sends when somebody presses the button at once."""
    values = {bound.html_name: bound.value() for bound in form}
    return {
        name: value for name, value in values.items() if value is not None and value is not False
    }


def forms_of(site: Site) -> dict[str, dict[str, Any]]:
    """Every address that takes a form, with a form that it would take."""
    judge, scale = site.judge, site.scale
    version, other = judge.current_version, scale.current_version
    assert version is not None
    assert other is not None
    trace = site.trace
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
    number = {
        **new,
        "value_kind": "NUMBER",
        "minimum": "0",
        "maximum": "9",
        "good": "5",
        "bad": "4",
    }
    reason = {"reason": "because"}
    return {
        at("judge-create"): new,
        at("judge-create") + "?number": number,
        at("judge-create") + "?whole": {**number, "value_kind": "INTEGER"},
        at("judge-try"): {**new, "look_again": "", "trial": "", "judge": ""},
        at("judge-edit", judge.pk): {
            **_filled(JudgeForm(judge=judge, initial=judge_form_initial(version))),
            "instructions": "New: {{ outputs }}",
            "note": "why",
        },
        at("judge-edit", scale.pk): {
            **_filled(JudgeForm(judge=scale, initial=judge_form_initial(other))),
            "instructions": "New: {{ outputs }}",
            "note": "why",
        },
        at("judge-settings", judge.pk): {
            **_filled(SettingsForm(judge=judge)),
            **_filled(OptimizerForm(judge=judge)),
        },
        at("judge-settings", scale.pk): {
            **_filled(SettingsForm(judge=scale)),
            **_filled(OptimizerForm(judge=scale)),
        },
        at("judge-guideline", judge.pk): {**_filled(GuidelineForm(judge=judge)), "text": "New."},
        at("judge-run", judge.pk): {
            "scope": "filtered",
            "filter": "q=parcel",
            "trace": trace.trace_id,
        },
        at("judge-run", judge.pk) + "?selected": {"scope": "selected", "trace": trace.trace_id},
        at("run-start", judge.pk): _filled(OptimizerForm(judge=judge, with_seed=True)),
        at("run-promote", site.run.pk): reason,
        at("run-reject", site.run.pk): reason,
        at("version-promote", site.run.candidate_id): reason,
        at("trace-detail", trace.trace_id): {
            "judge": judge.pk,
            "value": "good",
            "rationale": "r",
            "decline": "",
            "decline_text": "",
            "action": "answer",
        },
        at("trace-detail", trace.trace_id) + "?scale": {
            "judge": scale.pk,
            "value": "3",
            "rationale": "r",
        },
        at("trace-detail", trace.trace_id) + "?decline": {
            "judge": judge.pk,
            "decline": "other",
            "decline_text": "dark",
            "action": "decline",
        },
        at("login"): {"username": "adam", "password": "x", "next": "/"},
    }


def at(name: str, *args: Any) -> str:
    """An address."""
    return reverse(name, args=args)


FILTER = ("experiment", "verdict", "label", "feedback", "time", "since", "until", "q")


def pages_of(site: Site) -> dict[str, tuple[str, ...]]:
    """Every page, with the parameters it reads."""
    judge, trace = site.judge, site.trace
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


PATHS = (
    "/trace/{}",
    "/feedback/{}/withdraw/",
    "/feedback/{}/restore/",
    "/start/{}",
    "/judges/{}/",
    "/judges/{}/edit/",
    "/jobs/{}/",
    "/runs/{}/",
    "/versions/{}/promote/",
    "/judges/trials/{}/",
)


def shown_after(site: Site) -> list[str]:
    """The pages that show what a form may have stored."""
    names = ("judge-detail", "judge-edit", "judge-settings", "judge-guideline", "judge-run")
    return [
        *(reverse(name, args=[judge.pk]) for judge in Judge.objects.all() for name in names),
        *(
            f"{reverse('judge-detail', args=[judge.pk])}?tab=versions&version=2"
            for judge in Judge.objects.all()
        ),
        *map(reverse, ("home", "trace-list", "judge-list", "activity-list", "settings-models")),
        reverse("trace-detail", args=[site.trace.trace_id]),
        reverse("run-detail", args=[site.run.pk]),
    ]


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside leaves no trace, so that no example depends on the one before it."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_every_form_is_taken_as_it_stands(site: Site):
    for address, form in forms_of(site).items():
        with undone():
            answer = site.post(address, form)
            problems = answer.context and answer.context.get("form")
            assert answer.status_code in {200, 302}, (address, problems and problems.errors)


def test_junk_in_an_address_is_no_error_of_ours(site: Site):
    pages = [(page, name) for page, names in pages_of(site).items() for name in names]

    @bounded
    @given(st.sampled_from(pages), texts, st.sampled_from(PATHS), texts)
    def look(page: tuple[str, str], junk: str, path: str, part: str) -> None:
        address, name = page
        with undone():
            assert site.client.get(f"{address}?{name}={quoted(junk)}").status_code in ANSWERS
            address = path.format(quoted(part[:2_000]))
            assert site.client.get(address).status_code in ANSWERS
            assert site.client.post(address).status_code in ANSWERS

    look()


def test_junk_in_a_form_is_no_error_of_ours(site: Site):
    fields = [(form, name) for form, values in forms_of(site).items() for name in values]
    forms = forms_of(site)

    @bounded
    @given(st.sampled_from(fields), texts, texts, st.randoms(use_true_random=False))
    def send(field: tuple[str, str], junk: str, more: str, chance: Random) -> None:
        address, name = field
        other = chance.choice(list(forms[address]))
        for form in ({name: junk}, {name: junk, other: more}):
            with undone():
                answer = site.post(address, {**forms[address], **form})
                assert answer.status_code in ANSWERS
                if answer.status_code == 302:
                    page = chance.choice(shown_after(site))
                    assert site.client.get(page).status_code == 200

    send()


# each of these was an error page once, or a page that nobody could open any more
@pytest.mark.parametrize(
    ("name", "junk"),
    [
        ("minimum", "-1e308"),
        ("maximum", "1e308"),
        ("good", "nan"),
        ("bad", "inf"),
        ("inference_params", '{"a": NaN}'),
        ("inference_params", '{"a": "\\ud800"}'),
        ("inference_params", '{"a": ' + "[" * 900 + "]" * 900 + "}"),
        ("extra_headers", '{"\\udfff": "x"}'),
        ("name", "quality\u200b"),
        ("model", "demo:/a\tb"),
    ],
)
def test_a_judge_that_could_not_be_shown_is_not_stored(site: Site, name: str, junk: str):
    address = reverse("judge-create") + "?whole"
    answer = site.post(address, {**forms_of(site)[address], name: junk})
    assert answer.status_code == 422
    assert answer.context["form"].errors
    assert Judge.objects.count() == 2


def test_a_trace_id_that_no_database_can_look_for_is_not_found(site: Site):
    for path in ("/trace/a%00b", "/feedback/a%00b/withdraw/"):
        assert site.client.post(path).status_code == 404


def test_a_trace_of_odd_characters_can_be_opened(site: Site):
    odd = "\ud800 \0 \u2028 \x1b"
    call = {"function": {"name": odd, "arguments": json.dumps({odd: odd})}}
    said = {"name": "hint", "source_type": "CODE", "source_id": "x", "rationale": odd}
    trace = {
        "trace_id": "tr-odd",
        "inputs": {"messages": [{"role": odd, "content": odd, "tool_calls": [call]}], odd: odd},
        "outputs": {odd: [odd, float("nan"), float("inf"), 10**400]},
        "tags": {odd: odd},
        "metadata": {odd: odd},
        "conversation_id": odd,
        "spans": [
            {"span_id": "1", "name": "s", "start_ns": 0, "inputs": odd, "attributes": {odd: odd}}
        ],
        "assessments": [
            {**said, "type": "expectation", "value": {odd: odd}},
            {**said, "value": "x", "name": "other"},
        ],
    }
    (record,) = decode_traces(BytesIO(json.dumps(trace).encode()))
    report = import_traces(experiment=site.judge.experiment, records=[record])
    assert (report.new, report.refused) == (1, [])
    address = reverse("trace-detail", args=["tr-odd"])
    pages = [
        reverse("trace-list"),
        *(f"{address}?view={tab}" for tab in ("reading", "steps", "raw")),
    ]
    for page in pages:
        answer = site.client.get(page)
        assert answer.status_code == 200
        assert "\0" not in answer.content.decode()
