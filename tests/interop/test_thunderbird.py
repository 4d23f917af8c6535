"""Thunderbird itself, without a screen: sets up an account by our autoconfig and does a usual day with it.

There is no DNS for our names: a preference leads them to this machine, and plain HTTP goes through the panel's port as
through a proxy. The certificate is accepted as a person accepts it, as an exception for host and port.
"""

from __future__ import annotations

import base64
import imaplib
import json
import os
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fixtures_servers import choose_free_port, wait_until
from tests.integration.imap_server import listens
from tests.interop.conftest import DOMAIN, Office
from tests.interop.marionette import Marionette

STEP_S = 30.0
# Nothing is asked, nothing is fetched from elsewhere, nothing waits for somebody at the screen.
PREFERENCES = {
    "network.dns.localDomains": "{hosts}",
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": "{web}",
    # All of .dev is preloaded as HTTPS only, and our names are not to be had by HTTPS here.
    "network.stricttransportsecurity.preloadlist": False,
    "mailnews.auto_config_url": "",
    "mailnews.auto_config.fetchFromExchange.enabled": False,
    "mailnews.auto_config.guess.enabled": False,
    "marionette.port": "{marionette}",
    "app.update.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mailnews.start_page.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
    "mail.server.default.check_all_folders_for_new": True,
}

EXCEPTION = """
const certificates = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
const overrides = Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService);
const found = certificates.constructX509FromBase64(certificate);
for (const port of ports) {
  overrides.rememberValidityOverride(host, port, {}, found, false);
}
"""

SET_UP = """
const { FetchConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/FetchConfig.sys.mjs");
const { AccountConfig } = ChromeUtils.importESModule("resource:///modules/accountcreation/AccountConfig.sys.mjs");
const { CreateInBackend } = ChromeUtils.importESModule("resource:///modules/accountcreation/CreateInBackend.sys.mjs");
const domain = address.split("@")[1];
const config = await FetchConfig.fromISP(domain, address, new AbortController().signal);
AccountConfig.replaceVariables(config, "Tester", address, password);
config.incoming.password = config.outgoing.password = password;
config.rememberPassword = true;
const account = await CreateInBackend.createAccountInBackend(config);
account.incomingServer.password = password;
const { incoming, outgoing } = config;
return {
  key: account.key,
  incoming: [incoming.type, incoming.hostname, incoming.port, incoming.socketType, incoming.username],
  outgoing: [outgoing.type, outgoing.hostname, outgoing.port, outgoing.socketType],
};
"""

# What the scripts below share: the account's server, waiting for a condition, opening a folder.
COMMON = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
const server = MailServices.accounts.getAccount(key).incomingServer;
const until = async condition => {
  for (;;) {
    const value = condition();
    if (value) {
      return value;
    }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
};
const folderNamed = name => server.rootFolder.descendants.find(folder => folder.name == name);
const finished = start => new Promise((resolve, reject) => start({
  QueryInterface: ChromeUtils.generateQI(["nsIUrlListener"]),
  OnStartRunningUrl() {},
  OnStopRunningUrl(url, code) { Components.isSuccessCode(code) ? resolve() : reject(new Error(`code ${code}`)); },
}));
const opened = async name => {
  const folder = await until(() => folderNamed(name));
  folder.QueryInterface(Ci.nsIMsgImapMailFolder);
  await finished(listener => folder.updateFolderWithListener(null, listener));
  return folder;
};
const withSubject = (folder, subject) => [...folder.messages].find(header => header.mime2DecodedSubject == subject);
"""

LIST = """
server.performExpand(null);
await until(() => wanted.every(folderNamed));
return server.rootFolder.descendants.map(folder => folder.name);
"""

SUBJECTS = """
const folder = await opened(name);
await until(() => wanted.every(subject => withSubject(folder, subject)));
return [...folder.messages].map(header => header.mime2DecodedSubject);
"""

MARK = """
const folder = await opened(name);
folder.markMessagesRead([withSubject(folder, subject)], true);
folder.markMessagesFlagged([withSubject(folder, subject)], true);
"""

MOVE = """
const [from, to] = [await opened(source), await opened(target)];
await new Promise((resolve, reject) => MailServices.copy.copyMessages(
  from, [withSubject(from, subject)], to, true,
  {
    QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
    onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
    onStopCopy(code) { Components.isSuccessCode(code) ? resolve() : reject(new Error(`code ${code}`)); },
  },
  null, false));
"""

IS_READ = """
const folder = await opened(name);
await until(() => withSubject(folder, subject).isRead == read);
"""

ARRIVES = """
const folder = folderNamed(name);
await until(() => withSubject(folder, subject));
"""


@dataclass
class Thunderbird:
    """A running Thunderbird with one account."""

    remote: Marionette
    key: str = ""

    def run(self, script: str, **names: object) -> object:
        return self.remote.run(COMMON + script, key=self.key, **names)


def write_profile(office: Office, profile: Path, marionette: int) -> None:
    """The preferences, with what they name filled in."""
    profile.mkdir()
    hosts = f"{server_name(office)},autoconfig.{DOMAIN},{DOMAIN}"
    values = {"{hosts}": hosts, "{web}": office.ports["web"], "{marionette}": marionette}
    lines = [f"user_pref({_js(name)}, {_js(values.get(str(value), value))});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines) + "\n")


def _js(value: object) -> str:
    return json.dumps(value)


def server_name(office: Office) -> str:
    return str(office.appliance.api("GET", "settings/").body["myhostname"])


@pytest.fixture
def thunderbird(office: Office, tmp_path: Path) -> Iterator[Thunderbird]:
    port = choose_free_port()
    write_profile(office, tmp_path / "profile", port)
    env = {**os.environ, "HOME": str(tmp_path), "MOZ_HEADLESS": "1", "MOZ_CRASHREPORTER_DISABLE": "1"}
    with open(tmp_path / "output", "wb") as output, subprocess.Popen(
        ["thunderbird", "--headless", "--no-remote", "--profile", str(tmp_path / "profile"),
         "--marionette", "--remote-allow-system-access"],
        env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            wait_until(lambda: listens(port), seconds=60, what="Thunderbird listens to Marionette")
            with Marionette(port, script_seconds=STEP_S) as remote:
                yield Thunderbird(remote)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.timeout(150)
def test_a_day_with_thunderbird(office: Office, person: str, thunderbird: Thunderbird) -> None:
    first, second = office.send(person), office.send(person)
    ports = [office.ports["imaps"], office.ports["submissions"]]
    der = ssl.PEM_cert_to_DER_cert(office.certificate.read_text())
    host = server_name(office)
    thunderbird.remote.run(EXCEPTION, certificate=base64.b64encode(der).decode(), host=host, ports=ports)

    account = thunderbird.remote.run(SET_UP, address=person, password=office.password)
    assert account["incoming"] == ["imap", host, office.ports["imaps"], 3, person], "3 is TLS from the start"
    assert account["outgoing"] == ["smtp", host, office.ports["submissions"], 3]
    thunderbird.key = account["key"]

    folders = thunderbird.run(LIST, wanted=["Drafts", "Sent", "Trash", "Archive"])
    assert isinstance(folders, list) and "INBOX" in folders
    assert {first, second} <= set(thunderbird.run(SUBJECTS, name="INBOX", wanted=[first, second]))

    thunderbird.run(MARK, name="INBOX", subject=first)
    wait_until(lambda: flags_of(office, person, "INBOX", first) >= {"\\Seen", "\\Flagged"}, what="its flags are here")
    thunderbird.run(MOVE, source="INBOX", target="Archive", subject=second)
    assert second in office.subjects(person, "Archive") and second not in office.subjects(person)

    set_unseen(office, person, first)
    thunderbird.run(IS_READ, name="INBOX", subject=first, read=False)
    third, began = office.send(person), time.monotonic()
    thunderbird.run(ARRIVES, name="INBOX", subject=third)
    assert time.monotonic() - began < 5, "told by IDLE, not found by looking"


def flags_of(office: Office, who: str, mailbox: str, subject: str) -> set[str]:
    """The flags of a message, as another client is told."""
    client = office.imap(who)
    client.select(mailbox, readonly=True)
    (found,) = client.search(None, "SUBJECT", f'"{subject}"')[1]
    (line,) = client.fetch(found.decode(), "(FLAGS)")[1]
    client.logout()
    return {flag.decode() for flag in imaplib.ParseFlags(line)}


def set_unseen(office: Office, who: str, subject: str) -> None:
    client = office.imap(who)
    client.select("INBOX")
    (found,) = client.search(None, "SUBJECT", f'"{subject}"')[1]
    client.store(found.decode(), "-FLAGS", "(\\Seen)")
    client.logout()
