"""The small values everything is made of."""

import threading

import pytest

from mailcore.clock import FakeClock
from mailcore.ids import new_maildir_name, new_message_id, new_queue_id
from mailcore.reply import Reply
from mailcore.secretbox import UnsealError, seal, unseal


def test_a_reply_of_one_line_carries_its_enhanced_code():
    assert Reply(554, "5.7.1", "Relay access denied").to_bytes() == b"554 5.7.1 Relay access denied\r\n"


def test_every_line_of_a_reply_carries_code_and_enhanced_code():
    assert Reply(451, "4.3.0", "One\nTwo").to_bytes() == b"451-4.3.0 One\r\n451 4.3.0 Two\r\n"


def test_a_reply_knows_whether_trying_again_helps():
    assert Reply(452, "4.2.2", "").is_temporary and not Reply(452, "4.2.2", "").is_permanent
    assert Reply(550, "5.1.1", "").is_permanent and not Reply(550, "5.1.1", "").is_positive
    assert Reply(354, "", "go on").is_positive


def test_queue_ids_sort_by_time_and_do_not_repeat_over_threads():
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.extend(new_queue_id() for _ in range(500))) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == 2000
    assert new_queue_id() > min(found)
    assert all(queue_id.isalnum() and len(queue_id) == 14 for queue_id in found)


def test_maildir_names_hold_no_separator():
    name = new_maildir_name("ho/st:x")

    assert "/" not in name and ":" not in name


def test_message_ids_are_bracketed():
    assert new_message_id("mail.example.org").startswith("<") and new_message_id("h").endswith("@h>")


def test_a_sealed_secret_opens_with_its_key_only():
    token = seal("a key", "relay password")

    assert "relay password" not in token
    assert unseal("a key", token) == "relay password"
    with pytest.raises(UnsealError):
        unseal("another key", token)


def test_the_fake_clock_moves_only_when_told():
    clock = FakeClock()
    before = clock.now()

    clock.advance(90)

    assert (clock.now() - before).total_seconds() == 90
