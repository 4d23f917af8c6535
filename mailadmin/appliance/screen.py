"""What a person reads when everything is up: where the panel is, how to log in, and three commands to try."""

import os
from pathlib import Path

from mailadmin.appliance.configuration import PORTS, Configuration
from mailadmin.appliance.home import CODE


def ready_screen(configuration: Configuration, admin: str, password: str | None, seconds: float) -> str:
    """The whole screen. `password` is None once the administrator may have changed it."""
    url = configuration.public_url
    lines = [
        "",
        f"Mailkeep is up ({seconds:.1f} s). Ctrl-C stops it.",
        "",
        f"  Panel     {url}/admin/    webmail {url}/mail/    API {url}/api/v1/",
        f"  Login     {admin}",
    ]
    if password:
        lines.append(f"  Password  {password}    (kept in {_short(configuration.home / 'admin_password')})")
    lines += [
        f"  Ports     {_ports(configuration)}",
        "",
        "  Send a message to yourself, see what happened, read it:",
        "",
    ]
    lines += [f"    {command}" for command in first_commands(configuration, admin)]
    return "\n".join([*lines, ""])


def first_commands(configuration: Configuration, admin: str) -> list[str]:
    """Three lines to paste into another shell. They need nothing but this folder."""
    setting = "" if _is_default(configuration.home) else f"MAIL_HOME={_short(configuration.home)} "
    sendmail, mailkeep = _short(CODE / "bin" / "sendmail"), _short(CODE / "bin" / "mailkeep")
    return [
        f"printf 'Subject: Hello\\n\\nIt works.\\n' | {setting}{sendmail} {admin}",
        f"sleep 1; tail -n 4 {_short(configuration.home / 'log' / 'maillog')}",
        f"{setting}{mailkeep} read",
    ]


def _ports(configuration: Configuration) -> str:
    return "   ".join(
        f"{purpose.split(',')[0]}{' (TLS)' if purpose.endswith(', TLS') else ''} {configuration.ports[variable]}"
        for variable, _, purpose, role in PORTS
        if configuration.ports[variable] and role != "web"
    )


def _is_default(home: Path) -> bool:
    return home == CODE / "var"


def _short(path: Path) -> str:
    """Relative where that is shorter: the commands are pasted in the same folder."""
    try:
        return str(path.relative_to(Path(os.getcwd())))
    except ValueError:
        return str(path)
