"""Online needs both a wish and a key."""

from pathlib import Path

import pytest

from xtl.tracking.mode import is_online, project


def test_offline_is_the_default_even_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert not is_online()


def test_online_without_a_key_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    assert not is_online()


@pytest.mark.parametrize("variable", ["WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"])
def test_online_with_a_key_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv(variable, "0" * 40)
    assert is_online()


@pytest.mark.parametrize(("host", "counts"), [("wandb.example.org", True), ("other.org", False)])
def test_a_key_of_wandb_login_counts_for_its_own_server_only(
    monkeypatch: pytest.MonkeyPatch, empty_home: Path, host: str, counts: bool
) -> None:
    netrc = empty_home / ".netrc"
    netrc.write_text(f"machine {host} login user password {'0' * 40}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert is_online() is counts


def test_the_project_is_xtl_unless_the_environment_names_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert project() == "xtl"
    monkeypatch.setenv("WANDB_PROJECT", "other")
    assert project() == "other"
