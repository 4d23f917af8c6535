"""named_node.py on a machine whose disk takes SLOW_DISK_S for every flush: what a thread waits for there, it sleeps."""

from __future__ import annotations

import os
import runpy
import time
from collections.abc import Callable
from pathlib import Path

from smtpd import commit_process

SECONDS = float(os.environ["SLOW_DISK_S"])


def slowly(flush: Callable[[int], None]) -> Callable[[int], None]:
    def wait(fd: int) -> None:
        time.sleep(SECONDS)
        flush(fd)

    return wait


if __name__ == "__main__":
    os.fsync, os.fdatasync = slowly(os.fsync), slowly(os.fdatasync)
    # What commits for smtpd writes to the same disk.
    commit_process.PROGRAM = (__file__, "the same machine", "smtpd.committer")
    runpy.run_path(str(Path(__file__).with_name("named_node.py")), run_name="__main__")
