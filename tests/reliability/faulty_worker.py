"""A Celery worker of the queue in which messages with the header field X-Fault do what no real message does.

    exit    the process is gone at once, as after a segmentation fault
    raise   a parser raises what nobody expects
    hang    a loop that never ends

python faulty_worker.py HANGS_AFTER_S ARGUMENTS OF CELERY...
"""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from celery.__main__ import main

from mailadmin.mailqueue import watchdog
from mailcore.queue.spool import SpoolReader
from mailcore.relay import jobs

_FAULT = re.compile(rb"^X-Fault: (\w+)$", re.MULTILINE)
_outgoing = jobs.outgoing


class ParserFailed(Exception):
    """What nobody expects."""


def faulty(job: Any, content: SpoolReader) -> Any:
    """In the place where a worker first looks into a message."""
    found = _FAULT.search(next(content.disk_chunks(1 << 16), b""))
    match found[1] if found else b"":
        case b"exit":
            os._exit(139)
        case b"raise":
            raise ParserFailed(job.message.queue_id)
        case b"hang":
            while True:
                pass
    return _outgoing(job, content)


if __name__ == "__main__":
    watchdog.HANGS_AFTER_S = float(sys.argv.pop(1))
    jobs.outgoing = faulty
    main()
