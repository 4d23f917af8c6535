"""Arguments of GETQUOTA, GETQUOTAROOT and SETQUOTA (RFC 9208)."""

from accessd.imap import command as commands
from accessd.imap.command import Command
from accessd.imap.grammar.command_args import mailbox, text
from accessd.imap.grammar.tokens import MAX_UINT63, Scanner


def get_quota(scanner: Scanner) -> Command:
    """GETQUOTA root."""
    scanner.space()
    return commands.GetQuota(text(scanner.astring()))


def get_quota_root(scanner: Scanner) -> Command:
    """GETQUOTAROOT mailbox."""
    return commands.GetQuotaRoot(mailbox(scanner))


def set_quota(scanner: Scanner) -> Command:
    """SETQUOTA root (resource limit ...)."""
    scanner.space()
    root = text(scanner.astring())
    scanner.space()
    scanner.parenthesised(_resource_limit, empty=True)
    return commands.SetQuota(root)


def _resource_limit(scanner: Scanner) -> tuple[str, int]:
    name = scanner.keyword()
    scanner.space()
    return name, scanner.number(MAX_UINT63)
