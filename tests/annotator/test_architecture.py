"""What must not be loaded where: the web process stays small, the core stays free of the web."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.processes import ROOT, Site

LOADED = "import sys; print(*[name for name in {names!r} if name in sys.modules])"


def loaded_after(code: str, *names: str, env: dict[str, str] | None = None) -> str:
    """Which of the modules a fresh interpreter has loaded after the code."""
    script = f"{code}\n{LOADED.format(names=names)}"
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=env,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_the_web_process_loads_no_model_library(tmp_path):
    code = (
        "import annotator.wsgi\n"
        "from django.urls import get_resolver\n"
        "get_resolver().reverse_dict\n"
        "import annotator.tasks"
    )
    env = {"ANNOTATOR_DATA": str(tmp_path), "PATH": ""}
    assert loaded_after(code, "django", "litellm", "dspy", "openai", env=env) == "django"


@pytest.mark.parametrize("package", ["judges", "alignment"])
def test_the_core_loads_neither_the_web_nor_a_model_library(package):
    names = ("django", "celery", "redis", "litellm", "dspy")
    assert loaded_after(f"import {package}", package, *names, env={"PATH": ""}) == package


@pytest.mark.parametrize("package", ["judges", "alignment"])
def test_the_public_names_are_sorted_and_complete(package):
    module = __import__(package)
    assert list(module.__all__) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_every_page_but_the_few_meant_for_strangers_asks_to_sign_in(site: Site):
    code, text = site.run("shell", "-v0", "-c", OPEN_VIEWS)
    assert code == 0, text
    assert set(text.split()) == {"healthz", "start", "login", "notification-off"}


OPEN_VIEWS = """
from django.urls import get_resolver
for pattern in get_resolver().url_patterns:
    view = getattr(pattern, "callback", None)
    if view and not getattr(view, "login_required", True):
        print(pattern.name)
"""
