#!/usr/bin/env python
"""Runs the management commands."""

import os
import sys


def main() -> None:
    """Run the command named on the command line; a wrong setting ends it with one sentence."""
    if sys.version_info < (3, 11):  # noqa: UP036 - an older one shall say so before it fails to import
        sys.stderr.write(
            "Annotator needs Python 3.11 or newer, not " + sys.version.split()[0] + ".\n"
        )
        sys.exit(2)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotator.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.stderr.write("Django is not installed: `make run` installs everything into .venv.\n")
        sys.exit(2)
    if any("\ud800" <= letter <= "\udfff" for letter in "".join(sys.argv)):
        sys.stderr.write("An argument is not UTF-8; write it in UTF-8.\n")
        sys.exit(2)
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.stderr.write(f"Annotator cannot start. {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
