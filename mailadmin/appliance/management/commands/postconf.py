"""`manage.py postconf [-n] [-h] [NAME ...]` (bin/postconf): our settings in Postfix's words."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mailadmin.appliance.postfix_words import parameters


class Command(BaseCommand):
    """Prints name = value lines."""

    help = "Print the configuration as postconf does. It is changed in the panel, by the API, or in PostgreSQL."
    requires_system_checks = []

    def create_parser(self, *args: Any, **kwargs: Any) -> Any:
        # Django's own -h would be postconf's.
        return super().create_parser(*args, add_help=False, **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("-n", action="store_true", help="Only what is set, which are the lines with a value.")
        parser.add_argument("-h", "--no-name", action="store_true", help="Values without names.")
        parser.add_argument("--help", action="help", help="Show this help.")
        parser.add_argument("names", nargs="*", metavar="NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        known = parameters()
        unknown = [name for name in options["names"] if name not in known]
        if unknown:
            raise CommandError(f"unknown parameter: {', '.join(unknown)}")
        for name in options["names"] or known:
            if options["n"] and not known[name]:
                continue
            self.stdout.write(known[name] if options["no_name"] else f"{name} = {known[name]}".rstrip())
