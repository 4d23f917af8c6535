"""`manage.py newaliases` (bin/newaliases, sendmail -bi): says how many aliases are in force, since there is nothing to
rebuild; with --import FILE it takes over a file in the format of aliases(5).
"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from mailadmin.appliance.aliases_file import AliasLine, parse_aliases
from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor, record, values_of
from mailadmin.directory.models import Account, Alias, Domain
from mailadmin.transport.models import ServerSettings


class Command(BaseCommand):
    """Counts aliases, or imports them."""

    help = "Say how many aliases are in force, or import /etc/aliases. Changes are always live; nothing is rebuilt."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--import", dest="file", type=Path, nargs="?", const=Path("/etc/aliases"), metavar="FILE")
        parser.add_argument("--domain", help="The domain of the names in the file; by default mydomain.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["file"] is not None:
            self._import(options["file"], options["domain"], dry_run=options["dry_run"])
            return
        count = Alias.objects.filter(enabled=True).count()
        self.stdout.write(f"{count} aliases are in force. They are read live: there is nothing to rebuild.")

    def _import(self, file: Path, domain_name: str | None, *, dry_run: bool) -> None:
        domain = self._domain(domain_name)
        try:
            lines = parse_aliases(file.read_text(encoding="utf-8", errors="surrogateescape"))
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        taken = refused = 0
        with transaction.atomic():
            for line in lines:
                problems = [*line.refused, *take_over(line, domain)]
                for problem in problems:
                    self.stderr.write(": ".join(filter(None, [f"{file}:{line.line}", line.name, problem])))
                refused += bool(problems)
                taken += bool(line.targets) and not set(problems) - set(line.refused)
            transaction.set_rollback(dry_run)
        would = "would be " if dry_run else ""
        self.stdout.write(f"{taken} aliases {would}taken over into {domain}, {refused} lines need a look.")

    def _domain(self, name: str | None) -> Domain:
        name = (name or ServerSettings.objects.get(id=1).mydomain).lower()
        try:
            return Domain.objects.get(name=name, kind=Domain.Kind.LOCAL)
        except Domain.DoesNotExist:
            raise CommandError(f"{name} is not a local domain here; name one with --domain") from None


def take_over(line: AliasLine, domain: Domain) -> list[str]:
    """Write one alias; an existing one gets the file's targets. Returns what is wrong with it, in words."""
    if not line.targets:
        return []
    address = line.name if "@" in line.name else f"{line.name}@{domain.name}"
    targets = [target if "@" in target or ":" in target else f"{target}@{domain.name}" for target in line.targets]
    if targets == [address]:
        return []
    if Account.objects.filter(address=address).exists():
        return [f"{address} is an account, which an alias would hide"]
    existing = Alias.objects.filter(address=address).first()
    before = values_of(existing)
    alias = existing or Alias(address=address, domain=domain)
    alias.targets = targets
    try:
        alias.full_clean()
    except ValidationError as error:
        return error.messages
    alias.save()
    action = AuditEntry.Action.CHANGED if existing else AuditEntry.Action.CREATED
    record(Actor("shell (newaliases)"), action, alias, before, values_of(alias))
    return []
