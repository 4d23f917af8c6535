"""bin/sendmail without a server: its command line, the message it makes, and the file it leaves."""

import importlib.machinery
import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SENDMAIL = Path(__file__).resolve().parents[3] / "bin" / "sendmail"


@pytest.fixture(scope="module")
def sendmail() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("sendmail_script", str(SENDMAIL))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    loader.exec_module(module)
    sys.dont_write_bytecode = before
    return module


def run(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SENDMAIL), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={"PATH": os.environ["PATH"], **environment},
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-t", "-i"], {"from_headers": True, "ignore_dots": True, "recipients": []}),
        (["-ti"], {"from_headers": True, "ignore_dots": True}),
        (["-oi", "a@b"], {"ignore_dots": True, "recipients": ["a@b"]}),
        (["-i", "-f", "x@y", "--", "-odd@b"], {"sender": "x@y", "recipients": ["-odd@b"]}),
        (["-fx@y", "a@b"], {"sender": "x@y"}),
        (["-f", "", "a@b"], {"sender": ""}),
        (["-f<>", "a@b"], {"sender": ""}),
        (["-r", "Ann <x@y>", "a@b"], {"sender": "x@y"}),
        (["-FAnn Example", "a@b"], {"full_name": "Ann Example"}),
        (["-oem", "-oeq", "-odi", "-bm", "-B8BITMIME", "-Am", "-om", "-n", "a@b"], {"recipients": ["a@b"]}),
        (["-oiv", "a@b"], {"recipients": ["a@b"]}),
        (["-N", "failure,delay", "-R", "hdrs", "-V", "id1", "a@b"], {"recipients": ["a@b"]}),
        (["a@b,c@d", "Ann <e@f>"], {"recipients": ["a@b", "c@d", "e@f"]}),
        (["-bs"], {"mode": "smtp"}),
        (["-bp"], {"mode": "mailq"}),
        (["-bi"], {"mode": "newaliases"}),
        (["-I"], {"mode": "newaliases"}),
        (["-q"], {"mode": "flush"}),
        (["-bd", "-q30m"], {"mode": "nothing"}),
    ],
)
def test_options_that_others_use(sendmail, arguments, expected):
    options = sendmail.parse(arguments)

    assert {name: getattr(options, name) for name in expected} == expected


def test_linked_as_mailq_it_lists_the_queue(sendmail):
    assert sendmail.parse([], "mailq").mode == "mailq"
    assert sendmail.parse([], "newaliases").mode == "newaliases"


@pytest.mark.parametrize("arguments", [["-Z"], ["-f"], ["-bt"]])
def test_what_cannot_be_meant_is_a_usage_error(sendmail, arguments):
    with pytest.raises(sendmail.Usage):
        sendmail.parse(arguments)


@pytest.mark.parametrize(
    ("text", "ignore_dots", "expected"),
    [
        (b"Subject: x\n\na\n.\nb\n", False, b"Subject: x\n\na\n"),
        (b"Subject: x\n\na\n.\nb\n", True, b"Subject: x\n\na\n.\nb\n"),
        (b"Subject: x\r\n\r\na\r\n", True, b"Subject: x\n\na\n"),
        (b"a\n.", False, b"a\n"),
        (b".\nrest", False, b""),
        (b"no end of line", True, b"no end of line\n"),
        (b"", True, b""),
    ],
)
def test_where_a_message_ends(sendmail, text, ignore_dots, expected):
    assert sendmail.read_message(io.BytesIO(text), ignore_dots=ignore_dots) == expected


def test_bcc_and_its_kind_are_removed_with_their_folded_lines(sendmail):
    message = b"From: a@b\nBcc: hidden@c,\n secret@d\nTo: x@y\nReturn-Path: <z>\nContent-Length: 3\n\nBcc: body\n"

    complete = sendmail.complete(message, "a@b", "")

    assert b"hidden" not in complete
    assert b"secret" not in complete
    assert b"Return-Path" not in complete
    assert b"To: x@y\n" in complete
    assert complete.endswith(b"\n\nBcc: body\n")


def test_missing_fields_are_added_and_present_ones_kept(sendmail):
    complete = sendmail.complete(b"Date: then\nSubject: x\n\nhi\n", "a@b", 'Ann, the "first"')

    head = complete.partition(b"\n\n")[0].split(b"\n")
    assert b'From: "Ann, the \\"first\\"" <a@b>' in head
    assert [line for line in head if line.startswith(b"Date:")] == [b"Date: then"]
    assert len([line for line in head if line.startswith(b"Message-ID: <")]) == 1


def test_a_name_in_another_script_is_an_encoded_word(sendmail):
    assert sendmail.from_value("a@b", "Jürgen") == b"=?utf-8?b?SsO8cmdlbg==?= <a@b>"


def test_text_without_a_header_becomes_the_body(sendmail):
    complete = sendmail.complete(b"just text\nFrom: not a field\n", "a@b", "")

    assert complete.partition(b"\n\n")[2] == b"just text\nFrom: not a field\n"


def test_the_line_of_an_mbox_is_dropped(sendmail):
    complete = sendmail.complete(b"From a@b Sun Nov 22 15:00:00 2026\nSubject: x\n\nhi\n", "a@b", "")

    assert b"From a@b" not in complete
    assert b"\nSubject: x\n" in complete


def test_a_line_feed_in_a_name_makes_no_header_field(sendmail):
    value = sendmail.from_value("a@b", "Ann\nX-Evil: 1")

    assert b"\n" not in value


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b'To: Ann <a@b>, c@d\nCc: "x, y" <e@f>\nBcc: g@h\n\n', ["a@b", "c@d", "e@f", "g@h"]),
        (b"To: a@b,\n\tc@d\n\nTo: x@y\n", ["a@b", "c@d"]),
        (b"To: a@b\nResent-To: c@d\nResent-Bcc: e@f\n\n", ["c@d", "e@f"]),
        (b"To: undisclosed-recipients:;\n\n", []),
        (b"Subject: x\n\n", []),
    ],
)
def test_recipients_from_the_header(sendmail, message, expected):
    assert sendmail.recipients_of(message) == expected


def test_no_recipients_is_a_usage_error():
    result = run("-t", stdin="Subject: x\n\nhi\n")

    assert result.returncode == 64
    assert "no recipients" in result.stderr


@pytest.mark.parametrize("address", ["a@b>\r\nRCPT TO:<c@d", "a@b\nX", "a@b\tc"])
def test_an_address_cannot_carry_a_command(address, tmp_path):
    result = run("-i", "--", address, stdin="x\n", MAIL_HOME=str(tmp_path))

    assert result.returncode in (64, 65)
    assert not list(tmp_path.iterdir())


def test_nobody_answers_so_the_message_is_left_with_all_that_is_known(tmp_path, free_port):
    for name in ("tmp", "new"):
        (tmp_path / "maildrop" / name).mkdir(parents=True)

    result = run(
        *("-i", "-f", "x@y", "-N", "never", "a@b", "c@d"),
        stdin="Subject: x\n\nhi\n",
        MAIL_HOME=str(tmp_path),
        SMTP_PORT=str(free_port()),
    )

    assert result.returncode == 0, result.stderr
    (left,) = (tmp_path / "maildrop" / "new").iterdir()
    head, _, message = left.read_bytes().partition(b"\n")
    assert json.loads(head) == {"sender": "x@y", "recipients": ["a@b", "c@d"], "options": {"notify": "NEVER"}}
    assert b"\r" not in message
    assert message.endswith(b"Subject: x\n\nhi\n")
    assert not list((tmp_path / "maildrop" / "tmp").iterdir())


def test_no_maildrop_either_is_a_temporary_failure(tmp_path, free_port):
    result = run("a@b", stdin="hi\n", MAIL_HOME=str(tmp_path / "nowhere"), SMTP_PORT=str(free_port()))

    assert result.returncode == 75


def test_minus_bs_without_a_server_says_421(tmp_path, free_port):
    result = run("-bs", MAIL_HOME=str(tmp_path), SMTP_PORT=str(free_port()))

    assert result.returncode == 75
    assert result.stdout.startswith("421 ")
