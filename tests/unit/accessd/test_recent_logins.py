"""What a process remembers of logins."""

from accessd import recent_logins
from accessd.recent_logins import REMEMBER_S, RecentLogins


def test_a_login_is_remembered_for_some_seconds():
    now = [100.0]
    logins = RecentLogins(lambda: now[0])

    assert not logins.has(7)
    logins.note(7)
    now[0] += REMEMBER_S - 0.1
    assert logins.has(7)
    assert not logins.has(8)
    now[0] += 0.2
    assert not logins.has(7)


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(recent_logins, "MOST_ACCOUNTS", 2)
    logins = RecentLogins(lambda: 0.0)

    for account_id in (1, 2, 1, 3):
        logins.note(account_id)

    assert [logins.has(each) for each in (1, 2, 3)] == [True, False, True]
