"""set_password ADDRESS: reads the new password from standard input, one line, and sets it.

Whoever may run this may do anything, so a weak password is set all the same, as passwd(1) does for root; what the
rules say about it is printed on standard error.
"""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from mailadmin.directory.models import CREDENTIAL_FIELDS, Account


class Command(BaseCommand):
    help = "Set the password of an account. The password is read from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", help="The account, for example alice@example.org.")

    def handle(self, *, address: str, **options: Any) -> None:
        account = Account.objects.filter(address=address.strip().lower()).first()
        if account is None:
            raise CommandError(f"There is no account {address}.")
        password = _read_password()
        if not password:
            raise CommandError("The password is empty.")
        try:
            validate_password(password, account)
        except ValidationError as error:
            self.stderr.write(f"Weak password: {' '.join(error.messages)}")
        account.set_password(password)
        account.save(update_fields=CREDENTIAL_FIELDS)


def _read_password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("New password: ")
    return sys.stdin.readline().rstrip("\r\n")
