"""The app's settings for the tests: nothing outside this process, unless an address in the environment asks for it.

TEST_DATABASE_URL and TEST_REDIS_URL run the same tests on PostgreSQL and Redis.
"""

import atexit
import os
import shutil
import tempfile

os.environ["ANNOTATOR_DATA"] = tempfile.mkdtemp(prefix="annotator-tests-")
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")
os.environ["REDIS_URL"] = os.environ.get("TEST_REDIS_URL", "")
if (
    os.environ["REDIS_URL"]
    and (part := os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) != "0"
):
    # each of several test processes has a Redis database, counting down, or their workers would share the queue
    server, _, number = os.environ["REDIS_URL"].rpartition("/")
    os.environ["REDIS_URL"] = f"{server}/{int(number) - int(part)}"
for name in (
    "ALLOWED_HOSTS",
    "ANNOTATOR_DEFAULT_MODEL",
    "CSRF_TRUSTED_ORIGINS",
    "DEBUG",
    "EMAIL_HOST",
    "HOLD_SECONDS",
    "LOG_DEBUG",
    "PORT",
    "SITE_URL",
):
    os.environ.pop(name, None)

from annotator.settings import *  # noqa: E402, F403 - the environment comes first; settings are a flat list of names
from annotator.settings import CACHES, DATA_DIR, DATABASES, STORAGES  # noqa: E402

atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)

DATABASES["default"]["CONN_MAX_AGE"] = 0  # a connection kept open would hold the test database
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {
        "NAME": str(DATA_DIR / "test.sqlite3")
    }  # a file, so that a worker can open it
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
CACHES["default"] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}

# Tasks run where they are called, and what they raise comes out there; a real worker is tested on its own.
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True

INGEST_WAIT_SECONDS = 0  # tests that wait for spans say so
