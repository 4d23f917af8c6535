"""Removing the messages of an account from the disk, when whoever closed it said so (panel and API)."""

import logging
import shutil
import uuid
from pathlib import Path

from django.conf import settings
from django.db import transaction

from mailcore.store.layout import account_folder

log = logging.getLogger(__name__)


def remove_mail_after_commit(address: str) -> None:
    """Remove the account's folder once its rows are gone for certain. An account made anew at once is not touched."""
    folder = account_folder(Path(settings.MAIL_HOME) / "mail", address)
    transaction.on_commit(lambda: _remove(folder))


def _remove(folder: Path) -> None:
    # Renaming is atomic: from here on nobody finds half an account, whatever happens to the removal.
    doomed = folder.with_name(f".removed-{uuid.uuid4().hex}")
    try:
        folder.rename(doomed)
    except FileNotFoundError:
        return
    shutil.rmtree(doomed, ignore_errors=True)
    if doomed.exists():
        log.error("mail_not_removed folder=%s", doomed)
