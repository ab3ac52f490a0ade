"""Runs in a client's own environment: takes calls as lines of JSON on stdin, answers them as lines of JSON.

A call is `{"call": "module.function", "arguments": {…}}`; the module is one of this folder. What the function does not
expect ends the process with a traceback, which the test then shows.
"""

import importlib
import json
import os
import sys
from pathlib import Path


def main() -> None:
    """Answer until stdin ends."""
    sys.path.insert(0, str(Path(__file__).parent))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a client prints is no answer
    for line in sys.stdin:
        call = json.loads(line)
        module, _, function = call["call"].partition(".")
        answer = getattr(importlib.import_module(module), function)(**call["arguments"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


main()
