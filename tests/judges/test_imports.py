"""What importing the package costs and offers."""

import subprocess
import sys
from pathlib import Path

import judges

ROOT = Path(judges.__file__).parents[1]


def test_importing_judges_loads_no_model_library_and_no_web() -> None:
    heavy = "litellm", "dspy", "django", "celery", "openai", "httpx", "numpy"
    code = f"import sys, judges; print([name for name in {heavy!r} if name in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert loaded.stdout.strip() == "[]"


def test_making_a_judge_and_rendering_its_prompt_loads_no_model_library() -> None:
    code = (
        "import sys; from judges import Case, make_judge; from judges.render import render\n"
        "judge = make_judge('polite', 'Is {{ outputs }} polite?', feedback_value_type=bool)\n"
        "render(judge, Case(outputs='Hi'))\n"
        "print('litellm' in sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert loaded.stdout.strip() == "False"


def test_all_names_exist_and_are_sorted() -> None:
    assert judges.__all__ == sorted(judges.__all__)
    assert all(hasattr(judges, name) for name in judges.__all__)
