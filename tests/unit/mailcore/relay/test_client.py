"""The client's dialogue against a script: S: what the server says, C: what the client must have sent before."""

from __future__ import annotations

import base64

import pytest

from mailcore.address import Address
from mailcore.envelope import Recipient
from mailcore.relay.client import Client, Credentials
from mailcore.relay.errors import SessionRefused
from mailcore.relay.outgoing import OutgoingMail
from mailcore.relay.steps import Dialogue, Receive, Send, SendContent, StartTls
from mailcore.relay.transaction import Transaction
from mailcore.reply import Reply
from mailcore.smtp.reply_parser import ReplyParser

ALICE = Address.parse("alice@here.test")
BOB = Address.parse("bob@there.test")
CAROL = Address.parse("carol@there.test")


def rcpt(address: Address, **wishes) -> Recipient:
    return Recipient(address, address, **wishes)


def play(dialogue: Dialogue, replies: str) -> list[str]:
    """Run a dialogue on these replies; returns what the client did, a command line or "<step>" each."""
    parser = ReplyParser()
    parser.receive_data(replies.replace("\n", "\r\n").encode())
    done: list[str] = []
    reply: Reply | None = None
    while True:
        try:
            step = dialogue.send(reply)
        except StopIteration:
            assert parser.next_reply() is None, "the client did not read all replies"
            return done
        reply = None
        match step:
            case Send(data):
                done += data.decode().splitlines()
            case Receive():
                reply = parser.next_reply()
                assert reply is not None, f"nothing left to say after {done}"
            case StartTls():
                done.append("<tls>")
            case SendContent():
                done.append("<content>")


def opened(keywords: str, tls_level: str = "none", credentials: Credentials | None = None) -> Client:
    client = Client("here.test", tls_level, credentials)
    lines = ["there.test", *keywords.split("|")] if keywords else ["there.test"]
    ehlo = "".join(f"250{' ' if n == len(lines) - 1 else '-'}{line}\n" for n, line in enumerate(lines))
    play(client.open(), "220 there.test ESMTP\n" + ehlo)
    return client


def run(client: Client, mail: OutgoingMail, replies: str) -> tuple[Transaction, list[str]]:
    transaction = client.transaction(mail)
    return transaction, play(transaction.steps(), replies)


def codes(transaction: Transaction) -> dict[str, int]:
    return {str(recipient.address): reply.code for recipient, reply in transaction.replies.items()}


def test_helo_where_ehlo_is_unknown():
    client = Client("here.test", "may")

    done = play(client.open(), "220 old\n500 what?\n250 old\n")

    assert done == ["EHLO here.test", "HELO here.test"]
    assert client.usable and not client.capabilities.pipelining


@pytest.mark.parametrize("greeting", ["554 no mail here", "421 too busy", "250 strange"])
def test_a_greeting_that_is_none_ends_it(greeting):
    with pytest.raises(SessionRefused) as error:
        play(Client("here.test", "may").open(), greeting + "\n")

    assert error.value.reply.is_permanent == greeting.startswith("554")


def test_ehlo_is_repeated_after_tls_and_what_was_said_before_is_forgotten():
    client = Client("here.test", "may")

    done = play(client.open(), "220 x\n250-x\n250-DSN\n250 STARTTLS\n220 go\n250-x\n250 PIPELINING\n")

    assert done == ["EHLO here.test", "STARTTLS", "<tls>", "EHLO here.test"]
    assert client.capabilities.pipelining and not client.capabilities.dsn


@pytest.mark.parametrize("level", ["encrypt", "verify"])
def test_required_tls_that_is_not_offered_waits(level):
    with pytest.raises(SessionRefused) as error:
        play(Client("here.test", level).open(), "220 x\n250 x\n")

    assert error.value.reply.is_temporary


def test_opportunistic_tls_goes_on_in_clear_when_starttls_is_refused():
    client = Client("here.test", "may")

    play(client.open(), "220 x\n250-x\n250 STARTTLS\n454 4.7.0 not now\n")

    assert client.usable and not client.tls_active


def test_tls_level_none_never_starts_tls():
    assert play(Client("here.test", "none").open(), "220 x\n250-x\n250 STARTTLS\n") == ["EHLO here.test"]


def test_auth_plain():
    client = Client("here.test", "none", Credentials("user", "pässword"))

    done = play(client.open(), "220 x\n250-x\n250 AUTH LOGIN PLAIN\n235 2.7.0 ok\n")

    assert done[-1] == "AUTH PLAIN " + base64.b64encode("\0user\0pässword".encode()).decode()


def test_auth_login_where_plain_is_missing_also_in_the_old_notation():
    client = Client("here.test", "none", Credentials("user", "word"))

    done = play(client.open(), "220 x\n250-x\n250 AUTH=LOGIN\n334 VXNlcg==\n334 UGFzcw==\n235 ok\n")

    assert done[1:] == ["AUTH LOGIN", "dXNlcg==", "d29yZA=="]


def test_a_password_is_not_sent_in_clear_unless_tls_is_off_by_name():
    client = Client("here.test", "may", Credentials("user", "word"))

    with pytest.raises(SessionRefused) as error:
        play(client.open(), "220 x\n250-x\n250 AUTH PLAIN\n")

    assert error.value.reply.is_temporary and "TLS" in error.value.reply.text


def test_a_wrong_password_makes_mail_wait_and_not_bounce():
    client = Client("here.test", "none", Credentials("user", "wrong"))

    with pytest.raises(SessionRefused) as error:
        play(client.open(), "220 x\n250-x\n250 AUTH PLAIN\n535 5.7.8 no\n")

    assert error.value.reply.is_temporary and error.value.reply.enhanced == "4.7.8"
    assert "535 no" in error.value.reply.text


def test_pipelining_sends_the_envelope_at_once():
    client = opened("PIPELINING|SIZE 1000|8BITMIME")
    mail = OutgoingMail(ALICE, [rcpt(BOB), rcpt(CAROL)], size=77, body_8bit=True)

    transaction, done = run(client, mail, "250 ok\n250 ok\n550 5.1.1 no\n354 go\n250 2.0.0 taken\n")

    assert done == [
        "MAIL FROM:<alice@here.test> SIZE=77 BODY=8BITMIME",
        "RCPT TO:<bob@there.test>",
        "RCPT TO:<carol@there.test>",
        "DATA",
        "<content>",
    ]
    assert codes(transaction) == {"bob@there.test": 250, "carol@there.test": 550}


def test_the_next_envelope_goes_out_behind_the_content():
    client = opened("PIPELINING")
    first = client.transaction(OutgoingMail(ALICE, [rcpt(BOB)]))
    second = client.transaction(OutgoingMail(ALICE, [rcpt(CAROL)]))

    done = play(first.steps(lambda: second), "250 ok\n250 ok\n354 go\n250 2.0.0 first\n")

    assert done == [
        *("MAIL FROM:<alice@here.test>", "RCPT TO:<bob@there.test>", "DATA", "<content>"),
        *("MAIL FROM:<alice@here.test>", "RCPT TO:<carol@there.test>", "DATA"),
    ]
    assert play(second.steps(), "250 ok\n250 ok\n354 go\n250 2.0.0 second\n") == ["<content>"]
    assert codes(first) == {"bob@there.test": 250} and second.replies[rcpt(CAROL)].text == "second"


@pytest.mark.parametrize("end", ["451 4.3.0 not now", "554 5.7.1 never"])
def test_a_refused_message_does_not_hurt_the_one_whose_envelope_was_sent_ahead(end):
    client = opened("PIPELINING")
    first = client.transaction(OutgoingMail(ALICE, [rcpt(BOB)]))
    second = client.transaction(OutgoingMail(ALICE, [rcpt(CAROL)]))

    play(first.steps(lambda: second), f"250 ok\n250 ok\n354 go\n{end}\n")
    play(second.steps(), "250 ok\n250 ok\n354 go\n250 ok\n")

    assert codes(first) == {"bob@there.test": int(end[:3])} and codes(second) == {"carol@there.test": 250}


def test_an_envelope_sent_ahead_and_refused_is_reset_before_the_next():
    client = opened("PIPELINING")
    first = client.transaction(OutgoingMail(ALICE, [rcpt(BOB)]))
    second = client.transaction(OutgoingMail(ALICE, [rcpt(CAROL)]))
    play(first.steps(lambda: second), "250 ok\n250 ok\n354 go\n250 ok\n")
    play(second.steps(), "250 ok\n550 5.1.1 no\n554 5.5.1 nobody\n")

    _, done = run(client, OutgoingMail(ALICE, [rcpt(BOB)]), "250 reset\n250 ok\n250 ok\n354 go\n250 ok\n")

    assert codes(second) == {"carol@there.test": 550} and done[0] == "RSET"


def test_what_cannot_be_sent_is_not_sent_ahead():
    client = opened("PIPELINING|SIZE 1000")
    first = client.transaction(OutgoingMail(ALICE, [rcpt(BOB)]))
    too_big = client.transaction(OutgoingMail(ALICE, [rcpt(CAROL)], size=2000))

    done = play(first.steps(lambda: too_big), "250 ok\n250 ok\n354 go\n250 ok\n")

    assert done[-1] == "<content>" and play(too_big.steps(), "") == []
    assert codes(too_big) == {"carol@there.test": 552}


def test_nothing_is_sent_ahead_without_pipelining():
    client = opened("")
    asked: list[int] = []
    transaction = client.transaction(OutgoingMail(ALICE, [rcpt(BOB)]))

    play(transaction.steps(lambda: asked.append(1)), "250 ok\n250 ok\n354 go\n250 ok\n")

    assert asked == []


def test_without_pipelining_one_command_at_a_time():
    client = opened("")

    transaction, done = run(client, OutgoingMail(None, [rcpt(BOB)]), "250 ok\n250 ok\n354 go\n250 ok\n")

    assert done == ["MAIL FROM:<>", "RCPT TO:<bob@there.test>", "DATA", "<content>"]
    assert codes(transaction) == {"bob@there.test": 250}


@pytest.mark.parametrize("keywords", ["PIPELINING", ""])
def test_the_reply_to_mail_counts_for_all_recipients(keywords):
    client = opened(keywords)
    rest = "503 no\n503 no\n503 no\n" if keywords else ""

    transaction, _ = run(client, OutgoingMail(ALICE, [rcpt(BOB), rcpt(CAROL)]), "550 5.7.1 go away\n" + rest)

    assert codes(transaction) == {"bob@there.test": 550, "carol@there.test": 550}
    assert {reply.enhanced for reply in transaction.replies.values()} == {"5.7.1"}


def test_a_server_that_wants_data_for_nobody_gets_an_empty_message():
    client = opened("PIPELINING")

    transaction, done = run(client, OutgoingMail(ALICE, [rcpt(BOB)]), "250 ok\n550 no\n354 go\n554 nobody\n")

    assert done[-1] == "." and "<content>" not in done
    assert codes(transaction) == {"bob@there.test": 550}


def test_an_unfinished_transaction_is_reset_before_the_next():
    client = opened("PIPELINING")
    run(client, OutgoingMail(ALICE, [rcpt(BOB)]), "250 ok\n450 4.2.0 later\n554 nobody\n")

    _, done = run(client, OutgoingMail(ALICE, [rcpt(CAROL)]), "250 reset\n250 ok\n250 ok\n354 go\n250 ok\n")

    assert done[:2] == ["RSET", "MAIL FROM:<alice@here.test>"]


def test_a_finished_transaction_needs_no_reset():
    client = opened("PIPELINING")
    run(client, OutgoingMail(ALICE, [rcpt(BOB)]), "250 ok\n250 ok\n354 go\n451 4.3.0 later\n")

    _, done = run(client, OutgoingMail(ALICE, [rcpt(CAROL)]), "250 ok\n250 ok\n354 go\n250 ok\n")

    assert done[0] == "MAIL FROM:<alice@here.test>"


def test_the_reply_to_the_content_counts_for_the_accepted_only():
    client = opened("PIPELINING")
    mail = OutgoingMail(ALICE, [rcpt(BOB), rcpt(CAROL)])

    transaction, _ = run(client, mail, "250 ok\n250 ok\n550 no\n354 go\n452 4.3.1 disk full\n")

    assert codes(transaction) == {"bob@there.test": 452, "carol@there.test": 550}


def test_552_to_a_recipient_means_too_many_of_them_for_now():
    client = opened("PIPELINING")
    mail = OutgoingMail(ALICE, [rcpt(BOB), rcpt(CAROL)])

    transaction, _ = run(client, mail, "250 ok\n250 ok\n552 too many recipients\n354 go\n250 ok\n")

    assert transaction.replies[rcpt(CAROL)].is_temporary


@pytest.mark.parametrize("reply", ["250 done already", "334 ???"])
def test_nonsense_instead_of_354_is_temporary(reply):
    client = opened("PIPELINING")

    transaction, done = run(client, OutgoingMail(ALICE, [rcpt(BOB)]), f"250 ok\n250 ok\n{reply}\n")

    assert transaction.replies[rcpt(BOB)].is_temporary and "<content>" not in done


def test_421_between_recipients_ends_the_session():
    client = opened("")
    mail = OutgoingMail(ALICE, [rcpt(BOB), rcpt(CAROL)])

    transaction, done = run(client, mail, "250 ok\n421 4.3.2 shutting down\n")

    assert not client.usable and "DATA" not in done
    assert codes(transaction) == {"bob@there.test": 421, "carol@there.test": 421}


def test_421_after_an_accepted_recipient_leaves_nothing_without_an_answer():
    client = opened("")
    mail = OutgoingMail(ALICE, [rcpt(BOB), rcpt(CAROL)])

    transaction, _ = run(client, mail, "250 ok\n250 ok\n421 4.3.2 shutting down\n")

    assert codes(transaction) == {"bob@there.test": 421, "carol@there.test": 421}


def test_a_message_over_the_size_limit_is_not_offered():
    client = opened("SIZE 1000")

    transaction, done = run(client, OutgoingMail(ALICE, [rcpt(BOB)], size=1001), "")

    assert done == [] and transaction.replies[rcpt(BOB)].enhanced == "5.3.4"


def test_dsn_wishes_are_passed_on_where_they_are_understood():
    wishes = rcpt(BOB, notify=frozenset({"SUCCESS", "DELAY"}), orcpt="rfc822;b+b@x")
    mail = OutgoingMail(ALICE, [wishes, rcpt(CAROL)], ret="HDRS", envid="a b")

    _, with_dsn = run(opened("PIPELINING|DSN"), mail, "250 1\n250 2\n250 3\n354 4\n250 5\n")
    _, without = run(opened("PIPELINING"), mail, "250 1\n250 2\n250 3\n354 4\n250 5\n")

    assert with_dsn[:3] == [
        "MAIL FROM:<alice@here.test> RET=HDRS ENVID=a+20b",
        "RCPT TO:<bob@there.test> NOTIFY=DELAY,SUCCESS ORCPT=rfc822;b+2Bb@x",
        "RCPT TO:<carol@there.test>",
    ]
    assert without[:2] == ["MAIL FROM:<alice@here.test>", "RCPT TO:<bob@there.test>"]


def test_an_international_domain_travels_as_a_labels_without_smtputf8():
    mail = OutgoingMail(ALICE, [rcpt(Address.parse("info@bücher.test"))])

    _, plain = run(opened("PIPELINING"), mail, "250 1\n250 2\n354 3\n250 4\n")
    _, utf8 = run(opened("PIPELINING|SMTPUTF8"), mail, "250 1\n250 2\n354 3\n250 4\n")

    assert plain[1] == "RCPT TO:<info@xn--bcher-kva.test>"
    assert utf8[:2] == ["MAIL FROM:<alice@here.test> SMTPUTF8", "RCPT TO:<info@bücher.test>"]


def test_an_international_local_part_fails_alone_without_smtputf8():
    jose = rcpt(Address.parse("josé@there.test"))

    transaction, done = run(
        opened("PIPELINING"), OutgoingMail(ALICE, [jose, rcpt(BOB)]), "250 1\n250 2\n354 3\n250 4\n"
    )

    assert transaction.replies[jose].enhanced == "5.6.7" and transaction.replies[rcpt(BOB)].code == 250
    assert "RCPT TO:<bob@there.test>" in done


def test_whoever_has_no_answer_when_it_breaks_gets_that_answer():
    client = opened("PIPELINING")
    transaction = client.transaction(OutgoingMail(ALICE, [rcpt(BOB), rcpt(CAROL)]))
    said = [Reply(250, "", "ok"), Reply(550, "", "no")]
    dialogue = transaction.steps()
    step = next(dialogue)
    while said:
        step = dialogue.send(said.pop(0) if isinstance(step, Receive) else None)

    transaction.broken(Reply(451, "4.4.2", "lost"))

    assert codes(transaction) == {"bob@there.test": 550, "carol@there.test": 451}
