"""Runs several programs as one: prefixed output, restarts, and an end that leaves nobody behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import IO

STOP_SECONDS = 15
FIRST_RESTART_SECONDS = 1.0
MOST_RESTARTS = 5
# after that long without a crash the next one counts as the first
STEADY_SECONDS = 60
TICK_SECONDS = 0.1
LAST_WORDS_SECONDS = 1

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run. `orphan_signal` is what it gets when the supervisor itself is killed."""

    name: str
    command: Sequence[str]
    orphan_signal: signal.Signals = signal.SIGTERM


class Child:
    """One program in a session of its own, so that Ctrl-C reaches the supervisor alone."""

    def __init__(
        self, program: Program, *, env: Mapping[str, str], say: Callable[[str, str], None]
    ) -> None:
        self.program = program
        self.crashes = 0
        self._env = env
        self._say = say
        self._restart_at: float | None = None

    def start(self) -> None:
        """Start it. Only from the main thread: the orphan signal comes when the thread that started it ends."""
        self._started_at = time.monotonic()
        self._restart_at = None
        self.process = subprocess.Popen(  # noqa: S603 - the command is our own
            self.program.command,
            env=dict(self._env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=partial(_end_with_parent, self.program.orphan_signal, os.getpid()),
        )
        self._reader = threading.Thread(
            target=self._pass_on, args=[self.process.stdout], daemon=True
        )
        self._reader.start()

    def look_after(self) -> bool:
        """Start it again when it crashed and its pause is over; False once it crashed too often."""
        now = time.monotonic()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self.start()
            return True
        if self.process.poll() is None:
            return True
        self.kill()  # what it left of its own children
        self.crashes = 1 if now - self._started_at > STEADY_SECONDS else self.crashes + 1
        if self.crashes > MOST_RESTARTS:
            return False
        pause = FIRST_RESTART_SECONDS * 2 ** (self.crashes - 1)
        self._say(
            self.program.name,
            f"ended with {self.process.returncode}; starting again in {pause:.0f} s",
        )
        self._restart_at = now + pause
        return True

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.process.poll() is None

    def ask_to_stop(self) -> None:
        """Let it finish what it is doing."""
        if self.is_running():
            self.process.terminate()

    def kill(self) -> None:
        """End it and all processes that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(LAST_WORDS_SECONDS)

    def _pass_on(self, output: IO[bytes]) -> None:
        with output:
            for line in output:
                self._say(self.program.name, line.decode(errors="replace").rstrip())


class Supervisor:
    """Starts programs, keeps them running, and stops them all together.

    Args:
        programs: In the order of their start; they are stopped in the opposite one.
        env: Their environment.
        out: Where their lines go, each with the program's name before it.
    """

    def __init__(
        self, programs: Sequence[Program], *, env: Mapping[str, str], out: IO[str]
    ) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._width = max(len(program.name) for program in programs)
        self._children = [Child(program, env=env, say=self.say) for program in programs]
        self._stops = 0

    def run(self, *, is_ready: Callable[[], bool], on_ready: Callable[[], None]) -> int:
        """Run until SIGINT, SIGTERM or SIGHUP; the exit code is 1 when a program could not be kept running.

        Args:
            is_ready: Asked again and again until it says yes once.
            on_ready: Called then.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        waits_for_ready = True
        try:
            for child in self._children:
                child.start()
            while not self._stops:
                for child in self._children:
                    if not child.look_after():
                        self.say(
                            child.program.name, "crashed too often; its last lines above say why"
                        )
                        return 1
                if waits_for_ready and is_ready():
                    waits_for_ready = False
                    on_ready()
                time.sleep(TICK_SECONDS)
            return 0
        finally:
            self._stop()

    def say(self, name: str, line: str) -> None:
        """Print a line under a program's name."""
        with self._lock:
            self._out.write(f"{name:>{self._width}} | {line}\n")
            self._out.flush()

    def _on_signal(self, number: int, frame: object) -> None:
        self._stops += 1

    def _stop(self) -> None:
        asked = self._stops
        started = [child for child in self._children if hasattr(child, "process")]
        for child in reversed(started):
            child.ask_to_stop()
        self.say(
            "", f"stopping; work in progress gets {STOP_SECONDS} s, another Ctrl-C ends it now"
        )
        deadline = time.monotonic() + STOP_SECONDS
        while any(child.is_running() for child in started):
            # a second Ctrl-C does not wait: leases and the database keep everything
            if time.monotonic() > deadline or self._stops > max(asked, 1):
                break
            time.sleep(TICK_SECONDS)
        for child in started:
            child.kill()


def _end_with_parent(number: signal.Signals, parent: int) -> None:
    """In the child, before it runs: have the kernel send it a signal when the parent dies, however that comes."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)
