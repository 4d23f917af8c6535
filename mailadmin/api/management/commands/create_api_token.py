"""create_api_token NAME --scopes domains:write accounts:write: makes a token and prints it, and nothing else."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from mailadmin.api.scopes import ALL_SCOPES
from mailadmin.api.tokens import create_token


class Command(BaseCommand):
    help = "Make an API token and print it on standard output. It is shown only now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="Who or what will use it.")
        known = ", ".join(sorted(ALL_SCOPES))
        parser.add_argument(
            "--scopes", nargs="+", required=True, help=f"What it may do, separated by spaces or commas: {known}"
        )

    def handle(self, *, name: str, scopes: list[str], **options: Any) -> None:
        wanted = [scope for item in scopes for scope in item.replace(",", " ").split()]
        try:
            _, text = create_token(name, wanted)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(text)
