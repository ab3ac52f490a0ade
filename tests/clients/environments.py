"""The clients' environments, and processes that run in them."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ENVIRONMENTS = Path(__file__).resolve().parents[2] / ".venv-clients"
DRIVER = Path(__file__).parent / "inside" / "driver.py"
MLFLOW = ["mlflow-3.5", "mlflow-3.10", "mlflow-newest", "mlflow-skinny", "mlflow-tracing"]
NEWEST = "mlflow-newest"
# Since 3.12 or so the client holds ended spans back to send them in batches, and answers `get_trace` from what it holds
# back, which has no spans, without asking the server. This makes it send each at once, in the background as before.
READS_AT_ONCE = {"MLFLOW_USE_BATCH_SPAN_PROCESSOR": "false"}
# what another server, account or provider of the person who runs the tests would tell a client
NOT_PASSED_ON = ("MLFLOW_", "OTEL_", "OPENAI_", "ANTHROPIC_", "PYTHON", "DJANGO_", "DSPY")


def python_of(name: str) -> Path:
    """The interpreter of a client's environment; skips the test where it is not installed."""
    environment = ENVIRONMENTS / name
    if not (environment / ".installed").exists():
        reason = f"the client {name} is not installed; `make clients` installs it or says why not"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return environment / "bin" / "python"


def client_environ(**env: str) -> dict[str, str]:
    """Environment variables for a client: this process's, less what would lead it elsewhere."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(NOT_PASSED_ON)}
    return {
        **inherited,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "LITELLM_LOCAL_MODEL_COST_MAP": "true",
        "PYTHONUNBUFFERED": "1",
        **env,
    }


class Client:
    """A process in a client's environment, kept for as long as the tests run.

    Args:
        name: One of the requirement files.
        env: Further environment variables.
    """

    def __init__(self, name: str, env: Mapping[str, str]) -> None:
        self.name = name
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `stop`
        self._folder = tempfile.TemporaryDirectory(prefix="annotator-client-")
        self._popen = subprocess.Popen(
            [python_of(name), DRIVER],
            cwd=self._folder.name,
            env=client_environ(**env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )

    @property
    def is_running(self) -> bool:
        """Whether it can be called."""
        return self._popen.poll() is None

    def call(self, function: str, **arguments: Any) -> Any:
        """What the function of `inside/` returned."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._printed_before = self._stderr.seek(0, os.SEEK_END)
        self._popen.stdin.write(json.dumps({"call": function, "arguments": arguments}) + "\n")
        self._popen.stdin.flush()
        line = self._popen.stdout.readline()
        if not line:
            self._popen.wait()
            raise AssertionError(f"{self.name} ended in {function}:\n{self.printed}")
        return json.loads(line)

    @property
    def printed(self) -> str:
        """What the client printed and logged during the last call."""
        self._stderr.seek(self._printed_before)
        return self._stderr.read()

    def stop(self) -> None:
        """End it."""
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        self._popen.kill()
        self._popen.wait()
        assert self._popen.stdout is not None
        self._popen.stdout.close()
        self._stderr.close()
        self._folder.cleanup()


class Clients:
    """All client processes, each started when a test first asks for it."""

    def __init__(self) -> None:
        self._started: list[Client] = []
        self._kept: dict[tuple[str, ...], Client] = {}

    def get(self, name: str, **env: str) -> Client:
        """The process of a client with these environment variables."""
        key = (name, *(f"{variable}={value}" for variable, value in sorted(env.items())))
        if key not in self._kept or not self._kept[key].is_running:
            self._kept[key] = self.fresh(name, **env)
        return self._kept[key]

    def fresh(self, name: str, **env: str) -> Client:
        """A process that has not talked to anybody yet."""
        client = Client(name, env)
        self._started.append(client)
        return client

    def stop(self) -> None:
        """End all."""
        for client in self._started:
            client.stop()
