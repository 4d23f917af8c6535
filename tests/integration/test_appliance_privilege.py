"""What a child is after fork: without root where it must be, still able to reach its files, and mortal."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from mailadmin.appliance.embedded import EmbeddedPostgres
from mailadmin.appliance.privilege import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, child_setup, server_user

REPORT = """
import json, os, sys
fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({"uid": os.getuid(), "groups": os.getgroups(), "reaches": os.access(sys.argv[1], os.X_OK),
                  "capabilities": int(fields["CapEff"], 16)}))
"""


def report(user, path: Path) -> dict[str, object]:
    result = subprocess.run(
        ["/usr/bin/env", "python3", "-c", REPORT, str(path)],
        preexec_fn=child_setup(15, user),
        capture_output=True,
        check=True,
        cwd="/",
    )
    return json.loads(result.stdout)


@pytest.fixture
def private_program(tmp_path: Path) -> Path:
    """A program that anybody may run, in a folder that only its owner may enter: a clone in somebody's home."""
    home = tmp_path / "private"
    home.mkdir(mode=0o700)
    program = home / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_a_server_that_refuses_root_reaches_private_folders_with_one_capability(private_program):
    user = server_user([private_program])

    found = report(user, private_program)

    assert found["uid"] != 0
    assert found["reaches"]
    if os.geteuid() == 0:
        assert found["capabilities"] in (1 << CAP_DAC_READ_SEARCH, 1 << CAP_DAC_OVERRIDE)
        assert found["groups"] == []
    else:
        assert user is None
        assert found["capabilities"] == 0


def test_where_every_folder_is_open_it_keeps_no_capability():
    user = server_user([Path("/usr/bin/env")])

    found = report(user, Path("/usr/bin/env"))

    assert found["uid"] != 0
    assert found["capabilities"] == 0


def test_an_interrupted_initdb_is_begun_anew(tmp_path):
    server = EmbeddedPostgres(tmp_path / "pg", 1, "password")
    server.folder.mkdir()
    (server.folder / "half").write_text("left by an attempt that was killed")

    assert not server.exists
    server.initialise(durable=False)

    assert server.exists
    assert (server.folder / "PG_VERSION").exists()
    assert not (server.folder / "half").exists()
