"""Django's settings: one file, values from the environment (docs/operations.md lists them)."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import dj_database_url

from mailadmin.unfold import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent
MAIL_HOME = Path(os.environ.get("MAIL_HOME", BASE_DIR / "var")).resolve()


def secret_key() -> str:
    """SECRET_KEY, or the file the appliance made; without either a key that lives as long as this process."""
    if value := os.environ.get("SECRET_KEY"):
        return value
    path = MAIL_HOME / "secret_key"
    return path.read_text().strip() if path.exists() else secrets.token_urlsafe(50)


def split(name: str, default: str = "") -> list[str]:
    """A comma separated environment variable as a list."""
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


SECRET_KEY = secret_key()
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = split("ALLOWED_HOSTS", "*")
PUBLIC_URL = os.environ.get("PUBLIC_URL", "")
CSRF_TRUSTED_ORIGINS = split("CSRF_TRUSTED_ORIGINS", PUBLIC_URL)

DATABASE_URL = (
    os.environ.get("DATABASE_URL") or f"postgresql://mailkeep@127.0.0.1:{os.environ.get('PG_PORT', '5440')}/mailkeep"
)
REDIS_URL = os.environ.get("REDIS_URL") or f"redis://127.0.0.1:{os.environ.get('REDIS_PORT', '6390')}/0"
DNS_SERVER = os.environ.get("DNS_SERVER", "")

# How long the message trace remembers; older events are removed every hour.
TRACE_RETENTION_DAYS = int(os.environ.get("TRACE_RETENTION_DAYS", "60"))

# What the pages of accounts and domains tell people to type into their mail client; 0 = that service is off.
MAIL_PORTS = {
    name: int(os.environ.get(f"{name.upper()}_PORT", default) or 0)
    for name, default in {
        "smtp": 2525,
        "submission": 2587,
        "submissions": 2465,
        "imap": 2143,
        "imaps": 2993,
        "pop3": 2110,
        "pop3s": 2995,
    }.items()
}

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_filters",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "mailadmin.audit",
    "mailadmin.directory",
    "mailadmin.transport",
    "mailadmin.mailqueue",
    "mailadmin.mailboxes",
    "mailadmin.trace",
    "mailadmin.status",
    "mailadmin.api",
    "mailadmin.webmail",
    "mailadmin.appliance",
]

MIDDLEWARE = [
    "mailadmin.autoconfig.hosts.ClientSetup",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "mailadmin.sent_away.SignedIn",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mailadmin.content_security.ContentSecurityPolicy",
    "mailadmin.no_nul.NoNul",
    "mailadmin.sent_away.SaysWhy",
]

ROOT_URLCONF = "mailadmin.urls"
WSGI_APPLICATION = "mailadmin.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "mailadmin" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": {
        **dj_database_url.parse(DATABASE_URL, conn_max_age=60, conn_health_checks=True),
        "ENGINE": "django.db.backends.postgresql",
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "directory.Account"
PASSWORD_HASHERS = [
    "mailadmin.hashers.MailArgon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "/mail/login/"
LOGIN_REDIRECT_URL = "/mail/"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PUBLIC_URL.startswith("https://") else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"

LANGUAGE_CODE = "en"
TIME_ZONE = os.environ.get("TZ", "UTC") or "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = Path(os.environ.get("STATIC_ROOT", MAIL_HOME / "static"))
STATICFILES_DIRS = [BASE_DIR / "mailadmin" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "mailadmin.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["mailadmin.api.permissions.HasScope"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "mailadmin.api.pagination.BoundedPagination",
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "rest_framework.filters.OrderingFilter",
        "rest_framework.filters.SearchFilter",
    ],
    "EXCEPTION_HANDLER": "mailadmin.api.problems.problem_handler",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Mailkeep API",
    "DESCRIPTION": "Provisioning and operation of the mail appliance. Errors are problem+json (RFC 9457).",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
}
