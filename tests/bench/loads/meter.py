"""What a process tree and the machine used between two moments, and what times have in common."""

from __future__ import annotations

import collections
import glob
import os
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

TICK = os.sysconf("SC_CLK_TCK")

Times = dict[int, list[float]]
"""By process: user and kernel seconds, its own, then those of children already waited for."""


class Meter:
    """Between start() and stop(), or only looked at. Roots are processes; their descendants belong to them."""

    def __init__(self, roots: Sequence[int] | None) -> None:
        self.roots = roots or []

    def tree(self) -> Times:
        """The processes that are there now."""
        children, times = _processes()
        found: Times = {}
        stack = list(self.roots)
        while stack:
            pid = stack.pop()
            if pid in times and pid not in found:
                found[pid] = times[pid]
                stack.extend(children[pid])
        return found

    @staticmethod
    def memory(pids: Iterable[int]) -> tuple[int, int]:
        """Sum of the proportional and of the resident set sizes, in KiB."""
        pss = rss = 0
        for pid in pids:
            try:
                with open(f"/proc/{pid}/smaps_rollup") as handle:
                    text = handle.read()
            except OSError:
                continue
            pss += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
            rss += int(re.search(r"^Rss:\s+(\d+)", text, re.M).group(1))
        return pss, rss

    def start(self) -> Meter:
        """From now on."""
        self.before = self.tree(), system(), os.times()
        self.clock = time.perf_counter()
        return self

    def stop(self, count: int | None = None) -> dict[str, Any]:
        """The result fields; per message too when a count is given."""
        wall = time.perf_counter() - self.clock
        tree, machine, own = self.tree(), system(), os.times()
        mine = own.user + own.system - self.before[2].user - self.before[2].system
        out: dict[str, Any] = {"generator_cpu_s": round(mine, 2)}
        servers = 0.0
        if self.roots:
            out["server"], servers = self._server(tree, count)
        out["system"] = self._machine(machine, wall)
        # Kernel threads and a sink, but also other programs: when this is large the machine was not ours and the run
        # is not worth keeping.
        busy = out["system"]["user_s"] + out["system"]["sys_s"]
        out["system"]["other_cpu_s"] = round(busy - mine - servers, 2)
        out["system"]["cpu_busy"] = round(busy / wall / (os.cpu_count() or 1), 3)
        return out

    def _server(self, tree: Times, count: int | None) -> tuple[dict[str, Any], float]:
        user = _total(tree, 0, 2) - _total(self.before[0], 0, 2)
        kernel = _total(tree, 1, 3) - _total(self.before[0], 1, 3)
        pss, rss = self.memory(tree)
        out = {
            "cpu_user_s": round(user, 2),
            "cpu_sys_s": round(kernel, 2),
            "processes": len(tree),
            "pss_mib": round(pss / 1024, 1),
            "rss_mib": round(rss / 1024, 1),
        }
        if count:
            out["cpu_ms_per_msg"] = round((user + kernel) * 1000 / count, 3)
        return out, user + kernel

    def _machine(self, now: dict[str, float], wall: float) -> dict[str, float]:
        used = {key: round(now[key] - self.before[1][key], 2) for key in now}
        return {**used, "wall_s": round(wall, 2)}


def system() -> dict[str, float]:
    """What the whole machine has used since it began: CPU, disk writes, cache flushes."""
    with open("/proc/stat") as handle:
        cpu = [int(x) / TICK for x in handle.readline().split()[1:9]]
    return {
        "user_s": cpu[0] + cpu[1],
        "sys_s": cpu[2] + cpu[5] + cpu[6],
        "idle_s": cpu[3],
        "iowait_s": cpu[4],
        "steal_s": cpu[7],
        **_disks(),
    }


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """Of times, in milliseconds; nothing of none."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    last = len(ordered) - 1

    def at(part: float) -> float:
        return round(ordered[min(last, int(part * len(ordered)))] * 1e3, 3)

    return {"p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0)}


def _processes() -> tuple[dict[int, list[int]], Times]:
    children: dict[int, list[int]] = collections.defaultdict(list)
    times: Times = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as handle:
                text = handle.read()
        except OSError:
            continue
        pid = int(text.split(" ", 1)[0])
        field = text.rsplit(")", 1)[1].split()
        children[int(field[1])].append(pid)
        times[pid] = [int(x) / TICK for x in field[11:15]]
    return children, times


def _total(times: Times, *parts: int) -> float:
    return sum(each[part] for each in times.values() for part in parts)


def _disks() -> dict[str, float]:
    writes = sectors = flushes = 0
    with open("/proc/diskstats") as handle:
        lines = handle.readlines()
    for line in lines:
        field = line.split()
        if os.path.exists(f"/sys/block/{field[2]}/device"):
            writes += int(field[7])
            sectors += int(field[9])
            flushes += int(field[18]) if len(field) > 18 else 0
    return {"disk_writes": writes, "disk_mb": sectors / 2048, "disk_flushes": flushes}
