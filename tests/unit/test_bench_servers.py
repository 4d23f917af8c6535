"""What the benchmark does to processes: all that belongs to a server is counted, and what must wait is frozen."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.bench.freeze import frozen
from tests.bench.large import message_blocks
from tests.bench.servers import ServerError, bench_folder, free_ports, uncounted

SLEEPER = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"


@pytest.fixture
def family(tmp_path):
    """A process with a child, both in a group of their own."""
    parent = subprocess.Popen(
        [sys.executable, "-c", SLEEPER], cwd=tmp_path, env={**os.environ, "MAIL_HOME": str(tmp_path)},
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while not children(parent.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    yield parent.pid
    os.killpg(parent.pid, signal.SIGKILL)
    parent.wait()


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return list(map(int, file.read().split()))


def state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def until_stopped(pids: list[int]) -> bool:
    deadline = time.monotonic() + 10
    while any(state(pid) != "T" for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_frozen_server_does_nothing_and_goes_on_afterwards(family):
    everybody = [family, *children(family)]

    with frozen([family]):
        assert until_stopped(everybody)

    assert len(everybody) == 2
    assert all(state(pid) != "T" for pid in everybody)


def test_a_failure_while_frozen_wakes_everybody(family):
    with pytest.raises(RuntimeError), frozen([family]):
        raise RuntimeError

    assert state(family) != "T"


def test_processes_outside_the_tree_are_found(family, tmp_path):
    [child] = children(family)

    assert uncounted(tmp_path, [family]) == []
    assert [line.split()[0] for line in uncounted(tmp_path, [child])] == [str(family)]
    assert uncounted(tmp_path / "elsewhere", [family]) == []


def test_figures_from_memory_file_systems_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("tests.bench.servers.file_system", lambda _: "tmpfs")

    with pytest.raises(ServerError, match="memory"), bench_folder(tmp_path):
        pass


def test_the_folder_of_a_run_is_removed(tmp_path):
    with bench_folder(tmp_path) as folder:
        (folder / "mail").mkdir()

    assert not folder.exists()


def test_ports_are_free_and_different():
    ports = free_ports(10)

    assert len(set(ports)) == 10


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 1, 3_000_000])
def test_a_large_message_has_exactly_the_size_it_should(size):
    message = b"".join(message_blocks(size, 1))

    assert len(message) == size
    assert message.endswith(b"\r\n") and b"\n." not in message
    assert all(len(line) <= 76 for line in message.split(b"\r\n\r\n", 1)[1].split(b"\r\n"))
