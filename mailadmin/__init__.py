"""The Django project: panel, REST API, webmail, schema, Celery tasks, queue scheduler."""
