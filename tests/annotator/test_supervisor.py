"""Several programs as one, with small programs in the place of the real ones."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from annotator import supervisor
from annotator.supervisor import Program, Supervisor

DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
POLITE = "import time; print('polite', flush=True); time.sleep(600)"


class Lines(io.StringIO):
    """Output that sends this process SIGINT when a line with one of the words comes."""

    def __init__(self, *words: str) -> None:
        super().__init__()
        self._words = list(words)

    def write(self, text: str) -> int:
        if self._words and self._words[0] in text:
            self._words.pop(0)
            os.kill(os.getpid(), signal.SIGINT)
        return super().write(text)


def program(name: str, code: str) -> Program:
    return Program(name=name, command=[sys.executable, "-c", code])


def run(out: Lines, *programs: Program) -> int:
    return Supervisor(programs, env=os.environ, out=out).run(
        is_ready=lambda: True, on_ready=lambda: None
    )


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


def test_ctrl_c_stops_all_and_lines_bear_their_programs_name():
    out = Lines("polite")
    assert run(out, program("a", POLITE)) == 0
    assert "a | polite\n" in out.getvalue()


def test_a_second_ctrl_c_ends_what_does_not_want_to_stop():
    out = Lines("deaf", "stopping")
    assert run(out, program("ears", DEAF)) == 0


def test_a_program_that_keeps_crashing_is_restarted_and_then_given_up(monkeypatch):
    monkeypatch.setattr(supervisor, "FIRST_RESTART_SECONDS", 0.001)
    out = Lines()
    assert (
        run(out, program("fine", POLITE), program("bad", "print('oh'); raise SystemExit(3)")) == 1
    )
    text = out.getvalue()
    assert text.count(" bad | oh\n") == supervisor.MOST_RESTARTS + 1
    assert text.count("ended with 3; starting again") == supervisor.MOST_RESTARTS
    assert " bad | crashed too often" in text


def test_ready_is_said_once():
    said = []
    out = Lines("polite")
    Supervisor([program("a", POLITE)], env=os.environ, out=out).run(
        is_ready=lambda: True, on_ready=lambda: said.append("ready")
    )
    assert said == ["ready"]
