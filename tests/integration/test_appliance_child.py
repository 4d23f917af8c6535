"""One child of the supervisor, with real processes: restart and back-off, stop signals, nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mailadmin.appliance.child import Child, State
from mailadmin.appliance.console import Console
from mailadmin.appliance.processes import Process, Stage
from tests.fixtures_servers import ROOT, wait_until


def process(code: str, **options: object) -> Process:
    return Process("test", (sys.executable, "-u", "-c", code), Stage.PROGRAMS, environment={}, **options)


class Recorder(Console):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, text: str = "") -> None:
        self.lines.append(text)

    def relay(self, name: str, line: str) -> None:
        self.lines.append(f"{name}: {line}")


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_child_that_ends_is_started_again_with_growing_pauses():
    async def scenario() -> None:
        console = Recorder()
        child = Child(process("print('here'); raise SystemExit(7)"), {}, console, lambda: None)

        child.start()
        await until(lambda: child.restarts >= 2)
        await child.stop()

        assert console.lines[:3] == [
            "test: here",
            "test ended (exit code 7), starts again in 0.2 s",
            "test: here",
        ]
        assert "test ended (exit code 7), starts again in 0.4 s" in console.lines
        assert child.state is State.STOPPED

    asyncio.run(scenario())


def test_a_killed_child_comes_back_with_another_pid():
    async def scenario() -> None:
        console = Recorder()
        child = Child(process("import time; print('up'); time.sleep(60)"), {}, console, lambda: None)
        child.start()
        await until(lambda: "test: up" in console.lines)
        first = child.pid

        os.kill(first, signal.SIGKILL)
        await until(lambda: console.lines.count("test: up") == 2)

        assert child.pid != first
        assert "test ended (signal SIGKILL), starts again in 0.2 s" in console.lines
        await child.stop()
        assert not is_alive(first)

    asyncio.run(scenario())


def test_each_child_gets_its_own_stop_signal():
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: (print('fast stop'), sys.exit(0)))\n"
        "print('up'); time.sleep(60)"
    )

    async def scenario() -> None:
        console = Recorder()
        child = Child(process(code, stop_signal=signal.SIGINT), {}, console, lambda: None)
        child.start()
        await until(lambda: "test: up" in console.lines)

        await child.stop()

        assert console.lines == ["test: up", "test: fast stop"]
        assert child.restarts == 0

    asyncio.run(scenario())


def test_a_child_that_does_not_stop_is_killed():
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up'); time.sleep(60)"

    async def scenario() -> None:
        console = Recorder()
        child = Child(process(code, stop_timeout_s=0.3), {}, console, lambda: None)
        child.start()
        await until(lambda: "test: up" in console.lines)
        pid = child.pid

        await child.stop()

        assert not is_alive(pid)
        assert "test did not stop within 0 s: killed" in console.lines

    asyncio.run(scenario())


def test_what_a_dead_child_leaves_behind_is_ended_before_the_next_start():
    code = (
        "import subprocess, sys, time\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid); time.sleep(60)"
    )

    async def scenario() -> None:
        console = Recorder()
        child = Child(process(code), {}, console, lambda: None)
        child.start()
        await until(lambda: console.lines)
        grandchild = int(console.lines[0].removeprefix("test: "))

        os.kill(child.pid, signal.SIGKILL)
        await until(lambda: child.state is State.BACKOFF)

        await until(lambda: not is_alive(grandchild))
        await child.stop()

    asyncio.run(scenario())


def test_stopping_during_a_pause_does_not_wait_for_its_end():
    async def scenario() -> None:
        child = Child(process("raise SystemExit(1)"), {}, Recorder(), lambda: None)
        child.start()
        await until(lambda: child.restarts >= 3)
        began = time.monotonic()

        await child.stop()

        assert time.monotonic() - began < 1.0
        assert child.state is State.STOPPED

    asyncio.run(scenario())


def test_a_program_that_is_not_there_is_tried_again():
    async def scenario() -> None:
        console = Recorder()
        missing = Process("test", ("/nonexistent/program",), Stage.PROGRAMS, environment={})
        child = Child(missing, {}, console, lambda: None)

        child.start()
        await until(lambda: child.restarts >= 1)
        await child.stop()

        assert "could not be started" in console.lines[0]

    asyncio.run(scenario())


@pytest.mark.parametrize("length", [100, 70_000, 200_000])
def test_lines_of_any_length_are_passed_on(length):
    async def scenario() -> None:
        console = Recorder()
        child = Child(
            process(f"print('x' * {length}); print('end'); import time; time.sleep(60)"), {}, console, lambda: None
        )
        child.start()
        await until(lambda: "test: end" in console.lines)
        await child.stop()

        assert sum(line.count("x") for line in console.lines) == length

    asyncio.run(scenario())


def test_children_die_with_a_supervisor_that_is_killed(tmp_path):
    script = tmp_path / "supervise.py"
    script.write_text(
        "import asyncio, sys\n"
        "from mailadmin.appliance.child import Child\n"
        "from mailadmin.appliance.console import Console\n"
        "from mailadmin.appliance.processes import Process, Stage\n"
        "code = 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'\n"
        "async def main():\n"
        "    process = Process('test', (sys.executable, '-c', code), Stage.PROGRAMS, environment={})\n"
        "    Child(process, {}, Console(), lambda: None).start()\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    supervisor = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert supervisor.stdout is not None
    child = int(supervisor.stdout.readline().decode().split("|")[1])
    assert is_alive(child)

    supervisor.kill()
    supervisor.wait()

    wait_until(lambda: not is_alive(child), what="the child ends")
    supervisor.stdout.close()
