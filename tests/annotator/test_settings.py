"""Settings: a wrong one is refused with a sentence, and each one is in the README."""

from __future__ import annotations

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from annotator import environment
from tests.processes import ROOT, Site


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1", True),
        ("true", True),
        ("YES", True),
        ("0", False),
        ("Off", False),
        ("", True),
        (" ", True),
    ],
)
def test_envbool_understands_yes_and_no(monkeypatch, text, meant):
    monkeypatch.setenv("SWITCH", text)
    assert environment.envbool("SWITCH", default=True) is meant


@pytest.mark.parametrize("text", ["2", "ja", "truee"])
def test_envbool_refuses_the_rest(monkeypatch, text):
    monkeypatch.setenv("SWITCH", text)
    with pytest.raises(ImproperlyConfigured, match="SWITCH must be true or false"):
        environment.envbool("SWITCH", default=True)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "70000", "\u0661"])
def test_envint_refuses_what_is_no_number_in_its_bounds(monkeypatch, text):
    monkeypatch.setenv("NUMBER", text)
    with pytest.raises(ImproperlyConfigured, match="NUMBER must be a whole number from 1 to 65535"):
        environment.envint("NUMBER", default=1, maximum=65535)


def test_envint_takes_a_number_and_its_default(monkeypatch):
    monkeypatch.setenv("NUMBER", " 8001 ")
    assert environment.envint("NUMBER", default=8000) == 8001
    monkeypatch.setenv("NUMBER", "")
    assert environment.envint("NUMBER", default=8000) == 8000


def test_envlist_splits_at_commas(monkeypatch):
    monkeypatch.setenv("NAMES", "a.example, b.example,")
    assert environment.envlist("NAMES", default=[]) == ["a.example", "b.example"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://u:secret@h/db", "must begin with postgres:// or sqlite://"),
        ("postgres", "must begin with postgres:// or sqlite://"),
        ("postgres://u:secret@h", "names no database"),
        ("postgres://u:secret@h:port/db", "cannot be read"),
    ],
)
def test_a_wrong_database_address_is_refused_without_repeating_its_password(monkeypatch, url, says):
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ImproperlyConfigured, match=says) as refusal:
        environment.database_config(
            environment.envurl("DATABASE_URL", schemes=["postgres", "sqlite"])
        )
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:secret@h:port/0",
        "redis://:secret@h:70000",
        "redis://:secret@[h",
        "redis://:secret@h/a",
    ],
)
def test_a_wrong_redis_address_is_refused_without_repeating_its_password(monkeypatch, url):
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(ImproperlyConfigured, match="cannot be read") as refusal:
        environment.envredis("REDIS_URL")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["", "redis://h", "redis://:pa%40ss@h:6380/15", "rediss://[::1]/?a=b"]
)
def test_a_redis_address_is_taken(monkeypatch, url):
    monkeypatch.setenv("REDIS_URL", url)
    assert environment.envredis("REDIS_URL") == url


def test_a_database_address_is_taken_apart():
    config = environment.database_config("postgres://ann:pa%40ss@db.example:5433/annotator")
    assert config["ENGINE"] == "django.db.backends.postgresql"
    assert (config["USER"], config["PASSWORD"], config["HOST"]) == ("ann", "pa@ss", "db.example")
    assert (config["PORT"], config["NAME"]) == (5433, "annotator")


def test_the_secret_is_made_once_even_by_many_at_once_and_is_private(tmp_path: Path):
    path = tmp_path / "secret_key"
    with ThreadPoolExecutor(8) as pool:
        secrets = set(pool.map(environment.kept_secret, [path] * 8))
    assert len(secrets) == 1
    assert len(secrets.pop()) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret_key"]


def test_the_data_folder_is_made_and_must_be_a_folder(tmp_path: Path):
    folder = environment.data_folder(tmp_path / "a/b", parts=["broker/queue"])
    assert (folder / "broker/queue").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(ImproperlyConfigured, match=r"cannot be written .* set ANNOTATOR_DATA"):
        environment.data_folder(tmp_path / "file", parts=[])


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"PORT": "http"}, "PORT must be a whole number"),
        ({"DEBUG": "maybe"}, "DEBUG must be true or false"),
        ({"REDIS_URL": "localhost:6379"}, "REDIS_URL must begin with redis://"),
        ({"REDIS_URL": "redis://localhost/jobs"}, "REDIS_URL cannot be read"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR"),
    ],
)
def test_a_wrong_setting_ends_every_command_with_one_line(tmp_path: Path, env, says):
    site = Site(tmp_path / "data", **env)
    code, text = site.run("migrate")
    assert code == 2
    assert says in text
    assert text.count("\n") == 1


def test_every_setting_is_explained_in_the_readme():
    sources = [
        (ROOT / "annotator" / name).read_text() for name in ("settings.py", "environment.py")
    ]
    names = set(re.findall(r"""(?:env\w+|environ\.get)\(\s*"([A-Z_]+)\"""", "\n".join(sources)))
    assert {"PORT", "DATABASE_URL", "SECRET_KEY", "LLM_TIMEOUT"} <= names
    readme = (ROOT / "README.md").read_text()
    assert sorted(name for name in names if f"`{name}`" not in readme) == []


@pytest.mark.django_db
def test_the_migrations_are_complete():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
