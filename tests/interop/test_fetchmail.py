"""fetchmail retrieves by POP3 (over TLS and with STLS) and by IMAP, once each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.conftest import Office, run

RC = """
poll 127.0.0.1 service {port} protocol {protocol} uidl
    user "{user}" password "{password}" is root here
    {tls} sslcertfile "{certificate}" no sslcertck
    {keep} mda "cat >> {out}"
"""


def fetch(office: Office, who: str, folder: Path, *, protocol: str, port: str, tls: str) -> str:
    out, rc = folder / "fetched", folder / "fetchmailrc"
    uidl = "" if protocol == "imap" else "uidl"
    rc.write_text(
        RC.replace("uidl\n", f"{uidl}\n").format(
            port=office.ports[port], protocol=protocol, user=who, password=office.password, tls=tls,
            certificate=office.certificate, keep="no keep", out=out,
        )
    )  # fmt: skip
    rc.chmod(0o600)
    run("fetchmail", "-f", str(rc), "--nodetach", "--pidfile", str(folder / "pid"), "-i", str(folder / "ids"),
        env={"HOME": str(folder), "FETCHMAILHOME": str(folder)})  # fmt: skip
    return out.read_text()


@pytest.mark.parametrize(
    ("protocol", "port", "tls"),
    [("pop3", "pop3s", "ssl"), ("pop3", "pop3", 'sslproto "TLS1.2+"'), ("imap", "imaps", "ssl")],
)
def test_fetchmail_takes_the_mail_away(office, person, tmp_path, protocol, port, tls):
    subject = office.send(person)

    text = fetch(office, person, tmp_path, protocol=protocol, port=port, tls=tls)

    assert f"Subject: {subject}" in text
    assert office.subjects(person) == []
