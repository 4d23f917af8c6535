"""The Celery task of the search index: a worker extends it for some moments, then lets the queue go first."""

from __future__ import annotations

import time

from celery import shared_task

from mailadmin.mailqueue import watchdog, worker
from mailcore.errors import MailError
from mailcore.identity import AccountRef
from mailcore.log import get_logger
from mailcore.mailbox import indexing

AT_ONCE_S = 2.0
MOST_MAILBOXES = 20

log = get_logger(__name__)


@shared_task(acks_late=False, ignore_result=True)
def extend_search_index() -> None:
    """Index what came since the last time. Safe to run twice, or never: what is not indexed is read when searched."""
    with watchdog.watching():
        is_done = _extend_until(time.monotonic() + AT_ONCE_S)
    if not is_done:
        extend_search_index.apply_async(retry=False)


def _extend_until(limit: float) -> bool:
    """False if time was up first."""
    here = worker.current()
    conn = here.database.connection()
    for mailbox_id, account in indexing.behind(conn, MOST_MAILBOXES):
        while _extend(account, mailbox_id):
            if here.stopping():
                return True
            if time.monotonic() > limit:
                return False
            watchdog.wind()
    return True


def _extend(account: AccountRef, mailbox_id: int) -> bool:
    here = worker.current()
    try:
        return indexing.extend(here.database.connection(), here.local.storage, account, mailbox_id)
    except MailError as error:
        log.warning("not_indexed", account=account.address, mailbox_id=mailbox_id, error=str(error))
        return False
