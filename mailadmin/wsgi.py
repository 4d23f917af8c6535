"""The WSGI application, for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

from mailadmin import schema_age

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailadmin.settings")
application = get_wsgi_application()
schema_age.remember()
