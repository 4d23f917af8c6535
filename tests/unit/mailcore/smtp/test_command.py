"""MAIL and RCPT: what is read, what is let pass, and which error each mistake deserves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.smtp.command import (
    BadParameter,
    BadRecipientAddress,
    BadSenderAddress,
    BadSyntax,
    CommandError,
    MailCommand,
    NeedsSmtputf8,
    UnknownParameter,
    parse_mail,
    parse_rcpt,
)
from mailcore.smtp.xtext import decode_xtext, encode_xtext, is_xtext


def test_all_mail_parameters():
    command = parse_mail("FROM:<alice@example.org> SIZE=1024 BODY=8bitmime SMTPUTF8 RET=hdrs ENVID=a+2Bb AUTH=<>")

    assert str(command.sender) == "alice@example.org"
    assert command == MailCommand(command.sender, 1024, "8BITMIME", True, "HDRS", "a+b", "<>")


def test_the_null_sender_is_none():
    assert parse_mail("FROM:<>").sender is None


@pytest.mark.parametrize(
    "argument",
    ["FROM:<a@example.org>", "from:<a@example.org>", "FROM: <a@example.org>", "FROM:a@example.org",
     "FROM:<@relay.example,@other.example:a@example.org>"],
)  # fmt: skip
def test_forms_of_the_path(argument):
    assert str(parse_mail(argument).sender) == "a@example.org"


def test_a_quoted_local_part_may_hold_a_bracket():
    address = parse_rcpt(r'TO:<"a>\" b"@example.org> NOTIFY=NEVER').address

    assert address.domain == "example.org"


def test_an_address_without_domain_is_left_to_policy():
    assert parse_rcpt("TO:<Postmaster>").address.local == "Postmaster"
    assert parse_rcpt("TO:<Postmaster>").address.domain == ""


def test_rcpt_parameters():
    command = parse_rcpt("TO:<b@example.org> NOTIFY=success,DELAY ORCPT=rfc822;b+2Bx@example.org")

    assert command.notify == {"SUCCESS", "DELAY"}
    assert command.orcpt == "rfc822;b+x@example.org"


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ("", BadSyntax),
        ("TO:<a@example.org>", BadSyntax),
        ("FROM:", BadSyntax),
        ("FROM:<a@example.org", BadSyntax),
        ("FROM:<a@example.org>SIZE=1", BadSyntax),
        ("FROM:<a@example.org> =1", BadSyntax),
        ("FROM:<a@example.org> SIZE=", BadSyntax),
        ("FROM:<a@b@example.org>", BadSenderAddress),
        ("FROM:<a b@example.org>", BadSenderAddress),
        ("FROM:<a\x00@example.org>", BadSenderAddress),
        ("FROM:<a@example.org> SIZE=ten", BadParameter),
        ("FROM:<a@example.org> SIZE=-1", BadParameter),
        ("FROM:<a@example.org> SIZE", BadParameter),
        ("FROM:<a@example.org> SIZE=1 SIZE=2", BadParameter),
        ("FROM:<a@example.org> BODY=BINARYMIME", BadParameter),
        ("FROM:<a@example.org> SMTPUTF8=yes", BadParameter),
        ("FROM:<a@example.org> RET=SOME", BadParameter),
        ("FROM:<a@example.org> ENVID=a+2b", BadParameter),
        ("FROM:<a@example.org> ENVID=a+0D+0AX", BadParameter),
        ("FROM:<a@example.org> XCLIENT=1", UnknownParameter),
        ("FROM:<ä@example.org>", NeedsSmtputf8),
    ],
)
def test_mail_mistakes(argument, error):
    with pytest.raises(error):
        parse_mail(argument)


@pytest.mark.parametrize(
    ("argument", "error"),
    [
        ("TO:<>", BadRecipientAddress),
        ("TO:<@example.org>", BadRecipientAddress),
        ("TO:<a@example.org> NOTIFY=NEVER,DELAY", BadParameter),
        ("TO:<a@example.org> NOTIFY=DELAY,DELAY", BadParameter),
        ("TO:<a@example.org> ORCPT=rfc822", BadParameter),
        ("TO:<a@example.org> ORCPT=rfc822;a+0A@example.org", BadParameter),
        ("TO:<a@example.org> SIZE=1", UnknownParameter),
        ("TO:<ä@example.org>", NeedsSmtputf8),
    ],
)
def test_rcpt_mistakes(argument, error):
    with pytest.raises(error):
        parse_rcpt(argument)


def test_errors_know_their_codes():
    assert (BadParameter.code, BadParameter.enhanced) == (501, "5.5.4")
    assert (UnknownParameter.code, UnknownParameter.enhanced) == (555, "5.5.4")


def test_parameters_need_ehlo():
    with pytest.raises(UnknownParameter):
        parse_mail("FROM:<a@example.org> SIZE=1", extended=False)


def test_utf8_addresses_in_a_transaction_that_asked_for_them():
    assert parse_mail("FROM:<ä@example.org> SMTPUTF8").sender is not None
    assert parse_rcpt("TO:<ä@example.org>", smtputf8=True).address.local == "ä"


@given(st.text())
def test_nothing_but_a_command_error_comes_out_of_strange_text(text):
    for parse, keyword in ((parse_mail, "FROM:"), (parse_rcpt, "TO:")):
        for argument in (text, keyword + text, f"{keyword}<{text}>", f"{keyword}<a@example.org> {text}"):
            try:
                parse(argument)
            except CommandError:
                continue


@given(st.text())
def test_xtext_comes_back(text):
    text = text.encode("utf-8", "replace").decode()

    assert is_xtext(encode_xtext(text))
    assert decode_xtext(encode_xtext(text)) == text
