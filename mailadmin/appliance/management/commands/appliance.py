"""`manage.py appliance` for `manage.py help`; manage.py itself answers it before Django is loaded."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from mailadmin.appliance.command import add_arguments, main


class Command(BaseCommand):
    """Shows the same help, and works when it is called through Django after all."""

    help = "Run every process of the mail system under one supervisor; `status` and `stop` talk to a running one."
    requires_system_checks = []

    def add_arguments(self, parser: Any) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        arguments = [options["action"]] + (["--json"] if options["json"] else [])
        sys.exit(main(arguments))
