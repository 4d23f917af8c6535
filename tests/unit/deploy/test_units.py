"""deploy/systemd: units that start what the entrypoint knows, without rights they do not need."""

from configparser import RawConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(path.name for path in FOLDER.glob("*.service"))


class Repeating(dict):
    """systemd's keys may stand several times; all values count."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self:
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def unit(name: str) -> RawConfigParser:
    parser = RawConfigParser(strict=False, dict_type=Repeating, interpolation=None, delimiters=["="])
    parser.optionxform = str
    parser.read(FOLDER / name)
    return parser


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_runs_a_command_of_the_entrypoint_as_an_ordinary_user(name):
    service = unit(name)["Service"]
    program, command = service["ExecStart"].split()

    assert program == "/opt/mailkeep/deploy/entrypoint.sh"
    assert f"\n{command})\n" in (ROOT / "deploy" / "entrypoint.sh").read_text()
    assert service["User"] == "mailkeep"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"


def test_only_those_who_listen_may_bind_low_ports():
    allowed = {name for name in UNITS if "CAP_NET_BIND_SERVICE" in (FOLDER / name).read_text()}

    assert allowed == {"mailkeep-web.service", "mailkeep-smtpd@.service", "mailkeep-accessd@.service"}


def test_the_target_wants_every_program():
    wanted = " ".join(line for line in (FOLDER / "mailkeep.target").read_text().splitlines() if "Wants=" in line)

    for name in UNITS:
        if name != "mailkeep-prepare.service":
            assert name.replace("@.", "@1.") in wanted
