"""$MAIL_HOME: folders, modes, secrets, and the environment for programs started by hand."""

from mailadmin.appliance.home import Home, load_environment, write_private


def mode(path):
    return path.stat().st_mode & 0o7777


def test_only_the_maildrop_takes_something_from_others(tmp_path):
    home = Home(tmp_path / "home")

    home.make()

    assert {mode(home.folder / name) for name in ("mail", "spool", "log", "tls", "run")} == {0o700}
    assert mode(home.folder / "maildrop" / "new") == 0o1733
    assert mode(home.folder) == 0o711


def test_making_it_again_changes_nothing(tmp_path):
    home = Home(tmp_path / "home")
    home.make()
    (home.folder / "mail" / "kept").write_text("mail")

    home.make()

    assert (home.folder / "mail" / "kept").read_text() == "mail"


def test_a_secret_is_made_once_and_private(tmp_path):
    home = Home(tmp_path)

    first = home.secret("secret_key")

    assert home.secret("secret_key") == first
    assert len(first) >= 32
    assert mode(tmp_path / "secret_key") == 0o600


def test_programs_started_by_hand_get_what_the_environment_does_not_say(tmp_path):
    Home(tmp_path).write_environment({"DATABASE_URL": "postgresql://kept", "REDIS_URL": "redis://kept?a=b"})
    environment = {"MAIL_HOME": str(tmp_path), "DATABASE_URL": "postgresql://said"}

    load_environment(environment)

    assert environment["DATABASE_URL"] == "postgresql://said"
    assert environment["REDIS_URL"] == "redis://kept?a=b"
    assert mode(tmp_path / "environment") == 0o600


def test_without_an_appliance_the_environment_stays_as_it_is(tmp_path):
    environment = {"MAIL_HOME": str(tmp_path)}

    load_environment(environment)

    assert environment == {"MAIL_HOME": str(tmp_path)}


def test_a_file_is_replaced_as_a_whole_whatever_the_umask(tmp_path):
    path = tmp_path / "sendmail.conf"
    write_private(path, "old", mode=0o644)

    write_private(path, "new", mode=0o644)

    assert path.read_text() == "new"
    assert mode(path) == 0o644
    assert list(tmp_path.iterdir()) == [path]
