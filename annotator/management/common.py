"""What the commands on files and judges share: finding what was named, and telling what became of a file."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from django.core.management.base import CommandError, OutputWrapper
from django.db import connection

from annotator.models import Experiment, Judge, Team, User
from annotator.records import Refusal

SHOWN_REFUSALS = 200
_NAMES_SHOWN = 20
_BAR_WIDTH = 30
_LARGEST = 2**31 - 1

_Record = TypeVar("_Record")


def find_experiment(name: str, team: str | None = None) -> Experiment:
    """The experiment of that name, in the team if one is given.

    Raises:
        CommandError: when there is none, or several teams have one.
    """
    _require_tables()
    found = Experiment.objects.filter(name=name).select_related("team")
    if team is not None:
        found = found.filter(team__name=team)
    experiments = list(found.order_by("pk"))
    if len(experiments) > 1:
        teams = _listed(experiment.team.name for experiment in experiments)
        raise CommandError(
            f"Several teams have an experiment “{name}”: {teams}. Say which with --team."
        )
    if not experiments:
        known = _listed(Experiment.objects.order_by("name").values_list("name", flat=True))
        raise CommandError(
            f"There is no experiment “{name}”; there is {known or 'none at all yet'}."
        )
    return experiments[0]


def find_or_create_experiment(name: str, team: str | None = None) -> Experiment:
    """The experiment of that name; made where it is missing, in the team given or else the first one.

    Raises:
        CommandError: when there is no such team, the name is unusable, or several teams have such an experiment.
    """
    _require_tables()
    found = Experiment.objects.filter(name=name)
    if team is not None:
        found = found.filter(team__name=team)
    if found.exists():
        return find_experiment(name, team)
    if not name.strip() or name != name.strip() or len(name) > 250:
        raise CommandError("An experiment's name has 1 to 250 characters and no blank at its ends.")
    teams = Team.objects.order_by("pk")
    if not teams.exists():
        owner = Team.objects.create(name=team or "Default")
    else:
        chosen = teams.first() if team is None else teams.filter(name=team).first()
        if chosen is None:
            known = _listed(teams.values_list("name", flat=True))
            raise CommandError(f"There is no team “{team}”; there is {known}.")
        owner = chosen
    return Experiment.objects.create(team=owner, name=name)


def find_judge(experiment: Experiment, name: str) -> Judge:
    """The judge of that name.

    Raises:
        CommandError: when there is none; it lists those there are.
    """
    judge = (
        Judge.objects.filter(experiment=experiment, name=name)
        .select_related("current_version", "experiment__team")
        .first()
    )
    if judge is None:
        known = _listed(experiment.judges.order_by("name").values_list("name", flat=True))
        raise CommandError(
            f"The experiment “{experiment.name}” has no judge “{name}”; it has {known or 'none yet'}."
        )
    return judge


def find_user(name: str) -> User:
    """The active user of that name.

    Raises:
        CommandError: when there is none.
    """
    _require_tables()
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise CommandError(f"There is no active user named {name!r}.")
    return user


def open_file(path: str) -> BinaryIO:
    """The file, open for reading.

    Raises:
        CommandError: when there is none that can be read.
    """
    try:
        return Path(path).open("rb")
    except FileNotFoundError:
        raise CommandError(f"There is no file “{path}”; check the path.") from None
    except IsADirectoryError:
        raise CommandError(f"“{path}” is a directory; name a file in it.") from None
    except PermissionError:
        raise CommandError(f"“{path}” may not be read; change its permissions.") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"“{path}” cannot be read: {error}.") from None


def name_mapping(text: str) -> tuple[str, str]:
    """`Product Quality=product_quality` as a pair: the name in the file, and the judge's.

    Raises:
        ArgumentTypeError: when it is no such pair.
    """
    given, sign, judge = text.rpartition("=")
    if not sign or not given or not judge.strip():
        raise ArgumentTypeError(
            f"“{text}” is no mapping; write it like “Product Quality=product_quality”."
        )
    return given, judge.strip()


def positive(text: str) -> int:
    """A whole number of at least 1.

    Raises:
        ArgumentTypeError: for anything else.
    """
    return _whole_number(text, least=1)


def seed(text: str) -> int:
    """A whole number from 0, as a run keeps it.

    Raises:
        ArgumentTypeError: for anything else.
    """
    return _whole_number(text, least=0)


def with_progress(
    records: Iterable[_Record], stream: BinaryIO, out: OutputWrapper
) -> Iterator[_Record]:
    """The records of a file; meanwhile a bar on `out`, when it is a terminal, shows how far the file is read."""
    total = os.fstat(stream.fileno()).st_size
    if not out.isatty() or not total:
        yield from records
        return
    shown = -1
    for record in records:
        percent = min(100, 100 * stream.tell() // total)
        if percent != shown:
            shown = percent
            filled = _BAR_WIDTH * percent // 100
            out.write(
                f"\r[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {percent:3} %",
                style_func=str,
                ending="",
            )
            out.flush()
        yield record
    out.write("\r" + " " * (_BAR_WIDTH + 9) + "\r", style_func=str, ending="")
    out.flush()


def show_refusals(refused: list[Refusal], out: OutputWrapper) -> None:
    """Every refusal on a line of its own; what goes beyond the first 200, counted by reason."""
    for refusal in refused[:SHOWN_REFUSALS]:
        out.write(f"Refused {refusal}")
    rest = Counter(refusal.reason for refusal in refused[SHOWN_REFUSALS:])
    for reason, count in rest.most_common():
        out.write(f"Refused {count} more {'line' if count == 1 else 'lines'}: {reason}")


def counted(count: int, noun: str) -> str:
    """`1 trace`, `2 traces`, `1,000 traces`."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def _whole_number(text: str, *, least: int) -> int:
    if len(text) > 10 or not text.isdecimal() or not least <= int(text) <= _LARGEST:
        raise ArgumentTypeError(f"“{text[:20]}” is no whole number from {least} to {_LARGEST:,}.")
    return int(text)


def _require_tables() -> None:
    if Experiment._meta.db_table not in connection.introspection.table_names():
        raise CommandError("The database has no tables yet; run “manage.py migrate” first.")


def _listed(names: Iterable[str]) -> str:
    every = list(dict.fromkeys(names))
    shown = ", ".join(f"“{name}”" for name in every[:_NAMES_SHOWN])
    return f"{shown} and {len(every) - _NAMES_SHOWN} more" if len(every) > _NAMES_SHOWN else shown
