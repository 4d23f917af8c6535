"""The Celery tasks of mailboxes: extending the search index, forgetting what was removed long ago.

A worker does either for some moments, then lets the queue go first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

from celery import shared_task
from django.utils import timezone

from mailadmin.mailqueue import watchdog, worker
from mailcore.errors import MailError
from mailcore.identity import AccountRef
from mailcore.index import forgetting
from mailcore.log import get_logger
from mailcore.mailbox import indexing

AT_ONCE_S = 2.0
MOST_MAILBOXES = 20

log = get_logger(__name__)


@shared_task(acks_late=False, ignore_result=True)
def extend_search_index() -> None:
    """Index what came since the last time. Safe to run twice, or never: what is not indexed is read when searched."""
    with watchdog.watching():
        behind = indexing.behind(worker.current().database.connection(), MOST_MAILBOXES)
        is_done = _work_off(partial(_index, indexing.extend, account, mailbox_id) for mailbox_id, account in behind)
        if is_done:
            # After an update there may be days of this: some moments each time, and then there is time for others.
            stale = indexing.stale(worker.current().database.connection(), MOST_MAILBOXES)
            _work_off(partial(_index, indexing.renew, account, mailbox_id) for mailbox_id, account in stale)
    if not is_done:
        extend_search_index.apply_async(retry=False)


def _index(step: Callable[..., bool], account: AccountRef, mailbox_id: int) -> bool:
    here = worker.current()
    try:
        return step(here.database.connection(), here.local.storage, account, mailbox_id)
    except MailError as error:
        log.warning("not_indexed", account=account.address, mailbox_id=mailbox_id, error=str(error))
        return False


@shared_task(acks_late=True, ignore_result=True)
def forget_expunged() -> None:
    """Forget which messages were removed long ago. Safe to run twice, or never: then more rows are kept."""
    before = timezone.now() - forgetting.KEPT
    with watchdog.watching():
        overdue = forgetting.overdue(worker.current().database.connection(), before)
        is_done = _work_off(partial(_forget, mailbox_id, before) for mailbox_id in overdue)
    if not is_done:
        forget_expunged.apply_async(retry=False)


def _forget(mailbox_id: int, before: datetime) -> bool:
    try:
        return forgetting.forget(worker.current().database.connection(), mailbox_id, before) > 0
    except MailError as error:
        log.warning("not_forgotten", mailbox_id=mailbox_id, error=str(error))
        return False


def _work_off(steps: Iterable[Callable[[], bool]]) -> bool:
    """Take each step until it says that it has nothing left to do. False if AT_ONCE_S were up first."""
    limit = time.monotonic() + AT_ONCE_S
    for step in steps:
        while step():
            if worker.current().stopping():
                return True
            if time.monotonic() > limit:
                return False
            watchdog.wind()
    return True
