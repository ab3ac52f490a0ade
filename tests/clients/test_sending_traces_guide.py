"""Every example of docs/sending-traces.md is run as it stands there, with the address and the token filled in."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command

from annotator.demo.http_stub import StubServer
from annotator.models import Assessment, Experiment, Judge, Role, Source, Team, Trace
from annotator.services.tokens import find_caller
from tests.clients.conftest import Door, asked_of
from tests.clients.environments import NEWEST, client_environ, python_of
from tests.factories import create_user

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "sending-traces.md"


def examples(section: str) -> list[tuple[str, str]]:
    """Language and text of each code block of a section."""
    text = GUIDE.read_text()
    chapter = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert chapter is not None, section
    return re.findall(r"^```(\w+)\n(.*?)^```$", chapter[1], re.MULTILINE | re.DOTALL)


def filled_in(text: str, door: Door) -> str:
    """The example for this server."""
    return text.replace("http://127.0.0.1:8000", door.url).replace("ann_…", door.token)


def exported(text: str) -> dict[str, str]:
    """The variables that a block of `export` lines sets."""
    words = [word for word in shlex.split(text) if word != "export"]
    return dict(word.split("=", 1) for word in words)


def run(command: list[str | Path], folder: Path, **env: str) -> str:
    """What a program printed; it has to end well."""
    done = subprocess.run(
        command, cwd=folder, env=client_environ(**env), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def command_line(text: str) -> list[str]:
    """The arguments of a `manage.py` line."""
    program, script, *arguments = shlex.split(text)
    assert (program, script) == (".venv/bin/python", "manage.py")
    return arguments


def test_no_example_is_left_out() -> None:
    sections = re.findall(r"^## (.*)$", GUIDE.read_text(), re.MULTILINE)
    assert {section: [language for language, _ in examples(section)] for section in sections} == {
        "A token": ["bash"],
        "mlflow": ["bash", "python", "python", "python"],
        "OpenTelemetry": ["bash", "python"],
        "curl": ["bash", "bash"],
        "JSON Lines": ["json", "bash"],
        "Ground truth": ["csv", "bash"],
    }


@pytest.mark.django_db
def test_the_command_makes_a_token(team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    create_user(username="lead", team=team, role=Role.LEAD)
    ((_, text),) = examples("A token")
    call_command(*command_line(text))
    assert find_caller(capsys.readouterr().out.strip()).team == team


def test_the_mlflow_examples(door: Door, model: StubServer, team: Team, tmp_path: Path) -> None:
    (_, exports), *programs = examples("mlflow")
    env = exported(filled_in(exports, door)) | asked_of(model)
    printed = []
    for _, program in programs:
        # a short script; what it sent has arrived when it ends
        printed.append(run([python_of(NEWEST), "-c", program], tmp_path, **env))
    trace = Trace.objects.get()
    assert trace.experiment.name == "support"
    assert trace.inputs == {"question": "Where is my order?"}
    assert trace.outputs == "It arrives on Friday."
    assert sorted(trace.spans.values_list("name", flat=True)) == ["answer", "find articles"]
    feedback = Assessment.objects.get()
    assert (feedback.name, feedback.value) == ("product_quality", "good")
    assert (feedback.source_type, feedback.source_id) == (Source.HUMAN, "ann@example.com")
    assert Judge.objects.filter(name="answer_quality", experiment=trace.experiment).exists()
    assert printed[2].split()[0] in {"good", "poor"}


def test_the_opentelemetry_example(door: Door, team: Team, tmp_path: Path) -> None:
    (_, exports), (_, program) = examples("OpenTelemetry")
    env = exported(filled_in(exports, door))
    run([python_of("opentelemetry"), "-c", program], tmp_path, **env)
    trace = Trace.objects.get()
    assert trace.experiment.is_default
    assert trace.inputs == {"question": "Where is my parcel?"}
    assert trace.outputs == {"answer": "It arrives on Friday."}
    assert trace.spans.get().span_type == "CHAIN"


def test_the_curl_examples(door: Door, team: Team, tmp_path: Path) -> None:
    Experiment.objects.create(team=team, name="support")
    send, look = (filled_in(text, door) for _, text in examples("curl"))
    assert json.loads(run(["bash", "-ec", send], tmp_path)) == {}
    trace = Trace.objects.get()
    assert (trace.inputs, trace.outputs) == ("Where is my jacket?", "It arrives on Friday.")
    answers = run(["bash", "-ec", look.replace("\ncurl", "\necho\ncurl")], tmp_path).splitlines()
    experiment, found = (json.loads(answer) for answer in answers)
    assert experiment["experiment"]["name"] == "support"
    assert [info["trace_id"] for info in found["traces"]] == [trace.trace_id]


@pytest.mark.django_db
def test_the_files(team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Experiment.objects.create(team=team, name="support")
    (_, trace), (_, import_traces) = examples("JSON Lines")
    Path("traces.jsonl").write_text(" ".join(trace.splitlines()) + "\n")
    call_command(*command_line(import_traces))
    assert Trace.objects.get().inputs == {"question": "Where is my order?"}
    (_, rows), (_, import_feedback) = examples("Ground truth")
    Path("ground_truth.csv").write_text(rows)
    call_command(*command_line(import_feedback))
    assert set(Assessment.objects.values_list("source_id", "value")) == {
        ("ann", "good"),
        ("gold_2026", "good"),
    }
