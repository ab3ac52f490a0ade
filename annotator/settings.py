"""All settings. Each comes from the environment and has a default with which everything runs on one machine.

Only `annotator` reads them; `judges` and `alignment` are told what they need.
"""

import os
from pathlib import Path

from csp.constants import NONE, SELF

from annotator.environment import (
    data_folder,
    database_config,
    envbool,
    envchoice,
    envint,
    envlist,
    envpairs,
    envredis,
    envurl,
    kept_secret,
)

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where things are -------------------------------------------------------------------------------------------

# everything that is written: database, broker, secret, collected static files
DATA_DIR = data_folder(
    Path(os.environ.get("ANNOTATOR_DATA") or BASE_DIR / "var").resolve(),
    parts=["broker/queue", "broker/control", "static", "cache", "mail"],
)
# where the web server of `make run` listens, on loopback only
PORT = envint("PORT", default=8000, maximum=65535)

# --- Django -----------------------------------------------------------------------------------------------------

# pages with stack traces; never where others can reach it
DEBUG = envbool("DEBUG", default=False)
# signs sessions and links; made once and kept in the data folder when not set
SECRET_KEY = os.environ.get("SECRET_KEY") or kept_secret(DATA_DIR / "secret_key")
# names under which the web server is reached
ALLOWED_HOSTS = envlist("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
# origins that may send forms, with scheme, when a proxy stands before the web server
CSRF_TRUSTED_ORIGINS = envlist("CSRF_TRUSTED_ORIGINS", default=[])
# a site that is reached by https alone sends its cookies by https alone
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = bool(CSRF_TRUSTED_ORIGINS) and all(
    origin.startswith("https://") for origin in CSRF_TRUSTED_ORIGINS
)

INSTALLED_APPS = [
    "annotator",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
]

MIDDLEWARE = [
    "annotator.ingest.door.MachineDoor",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "annotator.urls"
WSGI_APPLICATION = "annotator.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "annotator.views.health.worker_banner",
            ],
        },
    }
]

AUTH_USER_MODEL = "annotator.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in [
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
    ]
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# scripts, styles and pictures come from here or not at all; nothing inline, no frames
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Database and cache -----------------------------------------------------------------------------------------

# postgres://user:password@host:5432/name, or sqlite:///path; SQLite in the data folder when not set
DATABASE_URL = envurl("DATABASE_URL", schemes=["postgres", "postgresql", "sqlite"])
DATABASES = {
    "default": database_config(DATABASE_URL)
    if DATABASE_URL
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "annotator.sqlite3"}
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # readers never wait, writers queue up instead of failing; reopening would cost more than the queries
    DATABASES["default"]["CONN_MAX_AGE"] = None
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;PRAGMA mmap_size=134217728;"
            "PRAGMA journal_size_limit=27103364;PRAGMA cache_size=2000;"
        ),
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# redis://host:6379/0: the broker between machines, and the shared cache; files in the data folder when not set
REDIS_URL = envredis("REDIS_URL")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    # judges' figures by the state they were worked out in; each process has its own, so that no page waits for Redis
    "figures": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "figures"},
}

# --- Jobs -------------------------------------------------------------------------------------------------------

# how long a worker may be silent about a job before another takes it up
LEASE_SECONDS = envint("LEASE_SECONDS", default=60, minimum=2)
# how often the scheduler looks for work that nobody does
RECONCILE_SECONDS = envint("RECONCILE_SECONDS", default=15)
# how long an item stays held by a reviewer whose page was not heard of
HOLD_SECONDS = envint("HOLD_SECONDS", default=180, minimum=2)
# processes of one worker
ANNOTATOR_WORKERS = envint("ANNOTATOR_WORKERS", default=2)

# The row in the database is the job and its lease recovers it; a message is only a hint, so losing one is no harm.
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
        "visibility_timeout": 3600,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        # whoever sends a form waits no longer than this for a broker that is down; see services/queueing.py
        "socket_connect_timeout": 2,
        "socket_timeout": 2,
    }
else:
    CELERY_BROKER_URL = "annotator-files://localhost"  # annotator/broker.py
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(DATA_DIR / "broker/queue"),
        "data_folder_out": str(DATA_DIR / "broker/queue"),
        "control_folder": str(DATA_DIR / "broker/control"),
        "polling_interval": 0.1,
    }
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_DEFAULT_QUEUE = "annotator"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_STORE_EAGER_RESULT = False
CELERY_WORKER_CONCURRENCY = ANNOTATOR_WORKERS
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat")
CELERY_BEAT_SCHEDULE = {
    "reconcile": {
        "task": "annotator.tasks.reconcile",
        "schedule": RECONCILE_SECONDS,
        # nobody needs the ones that piled up while no worker was there
        "options": {"expires": RECONCILE_SECONDS},
    },
    "new traces": {
        "task": "annotator.tasks.judge_what_came",
        "schedule": RECONCILE_SECONDS,
        "options": {"expires": RECONCILE_SECONDS},
    },
    "drift": {
        "task": "annotator.tasks.watch_drift",
        "schedule": 3600,
        "options": {"expires": 600},
    },
    "sessions": {
        "task": "annotator.tasks.tend_sessions",
        "schedule": RECONCILE_SECONDS,
        "options": {"expires": RECONCILE_SECONDS},
    },
}

# --- Mail -------------------------------------------------------------------------------------------------------

# the address of this site in mails
SITE_URL = envurl("SITE_URL", schemes=["http", "https"]) or f"http://localhost:{PORT}"
# the server that takes mails; without one they are written to files in the data folder
EMAIL_HOST = os.environ.get("EMAIL_HOST", "").strip()
EMAIL_PORT = envint("EMAIL_PORT", default=587, maximum=65535)
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = envbool("EMAIL_USE_TLS", default=True)
# who the mails come from
DEFAULT_FROM_EMAIL = os.environ.get("EMAIL_FROM", "").strip() or "annotator@localhost"
EMAIL_TIMEOUT = 20
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if EMAIL_HOST
    else "django.core.mail.backends.filebased.EmailBackend"
)
EMAIL_FILE_PATH = DATA_DIR / "mail"

# --- Models -----------------------------------------------------------------------------------------------------

# "provider:/model" that new judges and optimizers start with; the demo model answers offline
ANNOTATOR_DEFAULT_MODEL = os.environ.get("ANNOTATOR_DEFAULT_MODEL") or "demo:/judge"
# calls in flight at once, per worker process
LLM_CONCURRENCY = envint("LLM_CONCURRENCY", default=32)
# seconds until an unanswered call counts as failed
LLM_TIMEOUT = envint("LLM_TIMEOUT", default=60)

# optimizers beside the built-in and the installed ones: "name=package.module.Class", with commas
OPTIMIZERS = envpairs("OPTIMIZERS")

# Both are read when the libraries load: no price list from the network, no cache folder in the home directory.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
os.environ.setdefault("DSPY_CACHEDIR", str(DATA_DIR / "cache"))

# --- Programs that send traces ------------------------------------------------------------------------------------

# requests a second of one token, per web process, before it is told to wait
API_RATE_LIMIT = envint("API_RATE_LIMIT", default=2000)
# megabytes that a request of a program may hold, packed and unpacked
INGEST_BODY_MB = envint("INGEST_BODY_MB", default=32, maximum=1024)
# spans that one request may hold
INGEST_SPANS = envint("INGEST_SPANS", default=10_000)
# kilobytes of one attribute of a span; what is longer is cut, and says so
INGEST_ATTRIBUTE_KB = envint("INGEST_ATTRIBUTE_KB", default=1024, maximum=102_400)
# how long a program that reads a trace waits for spans that are still on their way
INGEST_WAIT_SECONDS = envint("INGEST_WAIT_SECONDS", default=3, minimum=0, maximum=60)
# how deep its JSON may be nested; deeper than this is never content
INGEST_DEPTH = envint("INGEST_DEPTH", default=100, maximum=200)

# --- Log --------------------------------------------------------------------------------------------------------

# DEBUG, INFO, WARNING or ERROR
LOG_LEVEL = envchoice("LOG_LEVEL", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
# loggers that tell everything, such as alignment.optimizers.simba
LOG_DEBUG = envlist("LOG_DEBUG", default=[])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "plain",
        }
    },
    "root": {"handlers": ["stdout"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        # one line for each request and task would drown the rest
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "LiteLLM": {"level": "WARNING"},
        **{name: {"level": "DEBUG"} for name in LOG_DEBUG},
    },
}
