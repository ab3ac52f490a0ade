"""Reads settings from the environment and refuses what it does not understand."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

WORDS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def envbool(name: str, *, default: bool) -> bool:
    """A yes or no; an empty value counts as not set."""
    text = os.environ.get(name, "").strip().lower()
    if not text:
        return default
    if text not in WORDS:
        raise ImproperlyConfigured(f"{name} must be true or false, not {text!r}.")
    return WORDS[text]


def envint(name: str, *, default: int, minimum: int = 1, maximum: int | None = None) -> int:
    """A whole number within bounds, both included."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    bounds = f"from {minimum} to {maximum}" if maximum is not None else f"of at least {minimum}"
    if (
        not text.isascii()
        or not text.isdigit()
        or not minimum <= int(text) <= (maximum or int(text))
    ):
        raise ImproperlyConfigured(f"{name} must be a whole number {bounds}, not {text!r}.")
    return int(text)


def envlist(name: str, *, default: list[str]) -> list[str]:
    """Values separated by commas."""
    return [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()] or default


def envpairs(name: str) -> dict[str, str]:
    """Pairs "key=value" with commas between them; none by default.

    Raises:
        ImproperlyConfigured: when a part is no pair.
    """
    pairs = {}
    for part in envlist(name, default=[]):
        key, found, value = (piece.strip() for piece in part.partition("="))
        if not (key and found and value):
            raise ImproperlyConfigured(
                f"{name} must be pairs such as name=package.module.Class, with commas; “{part}” is none."
            )
        pairs[key] = value
    return pairs


def envchoice(name: str, *, default: str, choices: list[str]) -> str:
    """One of the choices, in any case."""
    text = os.environ.get(name, "").strip() or default
    if text.upper() not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {text!r}.")
    return text.upper()


def envurl(name: str, *, schemes: list[str]) -> str:
    """An address with one of the schemes; empty when not set."""
    text = os.environ.get(name, "").strip()
    # no message repeats the address: it may hold a password
    scheme, found, _ = text.partition("://")
    if text and (not found or scheme not in schemes):
        raise ImproperlyConfigured(
            f"{name} must begin with {' or '.join(f'{s}://' for s in schemes)}."
        )
    return text


def envredis(name: str) -> str:
    """The address of a Redis database; empty when not set."""
    text = envurl(name, schemes=["redis", "rediss"])
    try:
        parts = urlsplit(text)
        can_be_read = parts.port != 0 and bool(re.fullmatch(r"/?[0-9]*", parts.path))
    except ValueError:  # a port or a host that cannot be
        can_be_read = False
    if not can_be_read:
        raise ImproperlyConfigured(f"{name} cannot be read; it looks like redis://host:6379/0.")
    return text


def database_config(url: str) -> dict[str, Any]:
    """What Django wants to know of the database behind an address that `envurl` let through."""
    try:
        config = dict(environ.Env.db_url_config(url))
    except (ValueError, environ.ImproperlyConfigured) as error:
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read; it looks like postgres://user:password@host:5432/name."
        ) from error
    if not config.get("NAME"):
        raise ImproperlyConfigured(
            "DATABASE_URL names no database; it looks like postgres://user:password@host:5432/name."
        )
    return config


def data_folder(path: Path, *, parts: list[str]) -> Path:
    """The folder, made with its parts when it is missing; refused when nothing can be written to it."""
    try:
        for part in ["", *parts]:
            (path / part).mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ImproperlyConfigured(
            f"The data folder {path} cannot be written ({reason}); set ANNOTATOR_DATA to a folder that can."
        ) from error
    return path


def kept_secret(path: Path) -> str:
    """The secret in the file; made once, readable by its owner alone."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        draft.touch(mode=0o600)
        draft.write_text(get_random_secret_key())
        try:
            os.link(draft, path)  # the whole file or none: two processes may come here at once
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()
