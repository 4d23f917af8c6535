"""How much memory processes take while something happens."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

MIB = 1 << 20
_PSS = re.compile(r"^Pss: +(\d+) kB", re.MULTILINE)
SAMPLE_EVERY_S = 0.02


def pss_of(pids: Iterable[int]) -> int:
    """The share of these processes in the memory of the machine, in bytes; processes that ended count nothing."""
    total = 0
    for pid in pids:
        try:
            found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(found[1]) * 1024 if found else 0
    return total


def children_of(pid: int) -> list[int]:
    """Those that run now."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Growth:
    """The most by which processes, with those they have started, have grown while the context was entered, looked at
    fifty times a second.
    """

    def __init__(self, *pids: int) -> None:
        self._pids = {*pids, *(child for pid in pids for child in children_of(pid))}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before = self.most = 0

    def __enter__(self) -> Self:
        self.before = self.most = pss_of(self._pids)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def bytes(self) -> int:
        return self.most - self.before

    @property
    def mib(self) -> float:
        return round(self.bytes / MIB, 1)

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_EVERY_S):
            self.most = max(self.most, pss_of(self._pids))
