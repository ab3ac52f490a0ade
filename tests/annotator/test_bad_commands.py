"""Commands that are called wrongly: one sentence, an exit code, and never a stack trace."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.core.management.base import SystemCheckError

from annotator.models import Experiment, Trace
from tests.factories import create_experiment, create_judge, create_team, create_trace, create_user
from tests.processes import ROOT

pytestmark = pytest.mark.django_db

OURS = {name for name, app in get_commands().items() if app == "annotator"}
ON_A_JUDGE = ("agreement", "run_judge", "align")
HERE = ["--experiment", "shop"]

# command, arguments, what the sentence says
WRONG = [
    *(
        (name, ["quality", "--experiment", "none"], "There is no experiment “none”")
        for name in ON_A_JUDGE
    ),
    *((name, ["tone", *HERE], "has no judge “tone”; it has “quality”") for name in ON_A_JUDGE),
    *(
        (name, ["quality", *HERE, "--team", "none"], "There is no experiment “shop”")
        for name in ON_A_JUDGE
    ),
    *((name, ["quality"], "required: --experiment") for name in ON_A_JUDGE if name != "align"),
    ("align", ["quality"], "Name a judge and --experiment, or a run to --repeat"),
    ("align", ["--repeat", "99999"], "There is no run 99999"),
    ("run_judge", ["quality", *HERE, "--limit", "0"], "no whole number from 1 to"),
    ("run_judge", ["quality", *HERE, "--limit", "9" * 5000], "no whole number from 1 to"),
    ("run_judge", ["quality", *HERE, "--limit", "²"], "no whole number"),
    ("run_judge", ["quality", *HERE, "--limit", "9" * 30], "is no whole number"),
    ("align", ["quality", *HERE], "more"),
    ("align", ["quality", *HERE, "--seed", "one"], "no whole number from 0 to"),
    ("align", ["quality", *HERE, "--seed", "9" * 30], "no whole number from 0 to"),
    ("align", ["quality", *HERE, "--optimizer", "none"], "There is no optimizer “none”"),
    ("align", ["quality", *HERE, "--model", "a b"], "address of a model"),
    ("import_traces", ["none.jsonl", *HERE], "There is no file “none.jsonl”"),
    ("import_traces", [".", *HERE], "is a directory"),
    ("import_traces", ["a\0b", *HERE], "cannot be read"),
    ("import_traces", ["x" * 5000, *HERE], "cannot be read"),
    ("import_traces", ["{file}", "--experiment", " "], "1 to 250 characters"),
    ("import_traces", ["{file}", "--experiment", "x" * 251], "1 to 250 characters"),
    (
        "import_traces",
        ["{file}", "--experiment", "new", "--team", "none"],
        "There is no team “none”",
    ),
    ("import_traces", ["{file}", *HERE, "--map", "x"], "is no mapping"),
    ("import_feedback", ["none.csv", *HERE], "There is no file “none.csv”"),
    ("import_feedback", ["{file}", *HERE, "--judge", "tone"], "has no judge “tone”"),
    ("import_feedback", ["{file}", *HERE, "--source-id", " "], "1 to 250 characters"),
    ("import_feedback", ["{file}", "--experiment", "none"], "There is no experiment “none”"),
    ("export_feedback", ["--experiment", "none"], "There is no experiment “none”"),
    ("export_feedback", [*HERE, "--judge", "tone"], "has no judge “tone”"),
    ("export_feedback", [*HERE, "--format", "xls"], "invalid choice"),
    ("export_feedback", [*HERE, "--output", "none/none.csv"], "cannot be written"),
    ("export_feedback", [*HERE, "--output", "a\0b"], "cannot be written"),
    ("create_token", ["--user", "nobody"], "no active user named 'nobody'"),
    ("create_token", ["--user", "adam"], "in no team"),
    ("create_token", ["--user", "adam", "--team", "nowhere"], "in no team 'nowhere'"),
    ("create_token", ["--user", "adam", "--scope", "ALL"], "invalid choice"),
    ("create_token", [], "required: --user"),
    ("sign_in_link", ["--user", "nobody"], "no active user named 'nobody'"),
]


@pytest.fixture(autouse=True)
def _shop() -> None:
    judge = create_judge(
        experiment=create_experiment(team=create_team(name="Support"), name="shop"),
        alignment_policy="MANUAL",
    )
    create_trace(experiment=judge.experiment)
    create_user(username="adam")


@pytest.mark.parametrize(("command", "arguments", "says"), WRONG)
def test_a_wrong_call_is_refused_with_a_sentence(tmp_path: Path, command, arguments, says):
    file = tmp_path / "good.jsonl"
    file.write_text('{"trace_id": "t-1", "inputs": {"q": "?"}}\n')
    arguments = [argument.replace("{file}", str(file)) for argument in arguments]
    with pytest.raises(CommandError, match=says) as refusal:
        call_command(command, *arguments, stdout=StringIO(), stderr=StringIO())
    assert refusal.value.returncode in {1, 2}
    assert "\n" not in str(refusal.value)
    assert not isinstance(refusal.value, SystemCheckError)
    assert (Experiment.objects.count(), Trace.objects.count()) == (1, 1)


def test_every_command_has_been_called_wrongly():
    # quickstart takes nothing, and its own test makes it fail
    assert OURS - {"quickstart"} == {command for command, _, _ in WRONG}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["create_token", "--user", "adam"], "run “manage.py migrate” first"),
        (["run_judge", "quality", "--experiment", "shop"], "run “manage.py migrate” first"),
        ([b"export_feedback", b"--experiment", b"caf\xe9"], "An argument is not UTF-8"),
    ],
)
def test_a_shell_gets_one_line_on_its_error_stream(tmp_path: Path, arguments, says):
    environment = {"ANNOTATOR_DATA": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in {1, 2}
    assert (done.stdout, done.stderr.count(b"\n")) == (b"", 1)
    assert says in done.stderr.decode()
