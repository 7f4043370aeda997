"""A setting is understood, or the start stops with one line that names it; secrets are never shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from app import config as configuration
from app.config import SETTINGS, BadSetting, Config, without_password

LIVE = {
    "STRIPE_API_KEY": "sk_live_0123456789abcdef",
    "STRIPE_WEBHOOK_SECRET": "whsec_0123456789abcdef",
    "SENSORIUM_SMTP_URL": "smtps://market:hunter2@mail.example:465",
    "SENSORIUM_SECRET_KEY": "k" * 32,
}


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def body(**environment: str) -> Config:
        return configuration.load({"SENSORIUM_DATA_DIR": str(tmp_path)} | environment)

    return body


def test_an_empty_environment_is_a_sandbox_on_loopback(load: Any, tmp_path: Path) -> None:
    config = load()
    assert config.sandbox and not config.live
    assert config.database_url == ""
    assert config.media_url == f"file://{tmp_path}/media"
    assert (config.host, config.port, config.public_url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert config.stripe_api_base == configuration.SANDBOX_STRIPE_BASE
    assert (config.fee_bps, config.hold_window_s) == (1000, 604_800)


def test_a_complete_live_environment_is_taken(load: Any) -> None:
    config = load(**LIVE)
    assert config.live and not config.sandbox
    assert config.stripe_api_base == "https://api.stripe.com"


def test_a_test_key_may_be_used_with_or_without_the_sandbox(load: Any) -> None:
    test = {**LIVE, "STRIPE_API_KEY": "sk_test_0123456789abcdef"}
    assert not load(**test).sandbox
    both = load(**test, SENSORIUM_SANDBOX="on")
    assert both.sandbox and both.stripe_api_base == "https://api.stripe.com"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"SENSORIUM_FEE_BP": "1"}, "SENSORIUM_FEE_BP is not a setting: did you mean SENSORIUM_FEE_BPS?"),
        ({"SENSORIUM_STRIPE_KEY_FILES": "x"}, "SENSORIUM_STRIPE_KEY_FILES is not a setting"),
        ({"SENSORIUM_PORT_FILE": "x"}, "SENSORIUM_PORT_FILE is not a setting"),
        ({"SENSORIUM_PROT": "1"}, "SENSORIUM_PROT is not a setting: did you mean SENSORIUM_PORT?"),
        ({"SENSORIUM_FOO": "1"}, "SENSORIUM_FOO is not a setting: `sensorium config` lists the known ones"),
        ({"SENSORIUM_DATA_DIR": f"/tmp/{'x' * 300}"}, "SENSORIUM_DATA_DIR must be a folder within this user's reach"),
        ({"SENSORIUM_MEDIA_URL": f"/tmp/{'x' * 300}"}, "SENSORIUM_MEDIA_URL must be a folder within this user's reach"),
        ({"SENSORIUM_DATA_DIR": "/proc/nowhere"}, "SENSORIUM_DATA_DIR: /proc/nowhere cannot be written to ("),
        ({"SENSORIUM_FEE_BPS": "-1"}, "SENSORIUM_FEE_BPS must be a whole number from 0 to 10000, not '-1'"),
        ({"SENSORIUM_FEE_BPS": "10001"}, "SENSORIUM_FEE_BPS must be a whole number"),
        ({"SENSORIUM_FEE_BPS": "1e2"}, "SENSORIUM_FEE_BPS must be a whole number"),
        ({"SENSORIUM_FEE_BPS": "１"}, "SENSORIUM_FEE_BPS must be a whole number"),
        ({"SENSORIUM_PORT": "65536"}, "SENSORIUM_PORT must be"),
        ({"SENSORIUM_SANDBOX": "maybe"}, "SENSORIUM_SANDBOX must be true or false, not 'maybe'"),
        ({"SENSORIUM_TRUSTED_PROXIES": "10.0.0.0/8, proxy"}, "SENSORIUM_TRUSTED_PROXIES must be addresses or networks"),
        ({"SENSORIUM_TRUSTED_PROXIES": "10.0.0.1/8"}, "SENSORIUM_TRUSTED_PROXIES must be addresses or networks"),
        ({"SENSORIUM_LOG_LEVEL": "loud"}, "SENSORIUM_LOG_LEVEL must be one of"),
        ({"SENSORIUM_PUBLIC_URL": "market.example"}, "SENSORIUM_PUBLIC_URL must be a URL that begins with"),
        ({"SENSORIUM_PUBLIC_URL": "http://market:port"}, "SENSORIUM_PUBLIC_URL must be a URL"),
        ({"SENSORIUM_MEDIA_URL": "ftp://x"}, "SENSORIUM_MEDIA_URL must be a folder, or a URL"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL must be a URL that begins with postgresql://"),
        ({"STRIPE_API_KEY": "pk_test_0123456789"}, "STRIPE_API_KEY must be something that begins with sk_test_"),
        ({"SENSORIUM_SECRET_KEY": "short"}, "SENSORIUM_SECRET_KEY must be at least 32 characters"),
        ({"SENSORIUM_SANDBOX": "no"}, "STRIPE_API_KEY is missing"),
        ({**LIVE, "SENSORIUM_SANDBOX": "yes"}, "SENSORIUM_SANDBOX must be off with a live STRIPE_API_KEY"),
        ({**LIVE, "STRIPE_WEBHOOK_SECRET": ""}, "STRIPE_WEBHOOK_SECRET is missing"),
        ({**LIVE, "SENSORIUM_SMTP_URL": ""}, "SENSORIUM_SMTP_URL is missing"),
        ({**LIVE, "SENSORIUM_SECRET_KEY": ""}, "SENSORIUM_SECRET_KEY is missing"),
        ({**LIVE, "SENSORIUM_STRIPE_API_BASE": "http://evil.example"}, "SENSORIUM_STRIPE_API_BASE must be https://"),
        ({"DATABASE_URL_FILE": "/does/not/exist"}, "DATABASE_URL_FILE: cannot read /does/not/exist"),
    ],
)
def test_a_wrong_environment_stops_with_one_line_that_names_the_setting(
    load: Any, environment: dict[str, str], said: str
) -> None:
    with pytest.raises(BadSetting) as caught:
        load(**environment)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_somebody_elses_environment_is_not_looked_at(load: Any) -> None:
    assert load(STRIPE_CLI_TELEMETRY="x", DATABASE_NAME="y", PORT="nonsense", SENSORIUMS="z").sandbox


def test_a_secret_may_stand_in_a_file_but_not_in_two_places(load: Any, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s" * 40 + "\n")
    assert load(SENSORIUM_SECRET_KEY_FILE=str(tmp_path / "key")).secret_key == "s" * 40
    with pytest.raises(BadSetting, match="SENSORIUM_SECRET_KEY and SENSORIUM_SECRET_KEY_FILE are both set"):
        load(SENSORIUM_SECRET_KEY_FILE=str(tmp_path / "key"), SENSORIUM_SECRET_KEY="t" * 40)
    (tmp_path / "key").write_text("\n")
    with pytest.raises(BadSetting, match=r"SENSORIUM_SECRET_KEY_FILE: .* is empty"):
        load(SENSORIUM_SECRET_KEY_FILE=str(tmp_path / "key"))


def test_no_secret_is_shown_anywhere(load: Any) -> None:
    config = load(**LIVE, DATABASE_URL="postgresql://ada:pass%40word@db.example/market?password=again&sslmode=require")
    everything = f"{config} {config!r} {[config]} {dict(config.__rich_repr__())}"
    for secret in (LIVE["STRIPE_API_KEY"], LIVE["STRIPE_WEBHOOK_SECRET"], "hunter2", "k" * 32, "pass%40word", "again"):
        assert secret not in everything
    assert "postgresql://ada:***@db.example/market?password=***&sslmode=require" in everything


@pytest.mark.parametrize("name", ["STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET", "DATABASE_URL", "SENSORIUM_SECRET_KEY"])
def test_a_malformed_secret_is_named_but_not_shown(load: Any, name: str) -> None:
    with pytest.raises(BadSetting) as caught:
        load(**{name: "hunter2-typed-badly"})
    assert name in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_url_without_a_password_is_shown_as_it_is() -> None:
    for url in ("postgresql://sensorium@/sensorium?host=/tmp/x&port=5432", "s3://bucket/prefix", "http://[::1]:80/"):
        assert without_password(url) == url


def test_a_sandbox_makes_its_secret_once_and_keeps_it_to_itself(load: Any, tmp_path: Path) -> None:
    first, second = load(), load()
    assert first.secret_key == second.secret_key
    assert len(first.secret_key) >= 32
    assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0
    assert first.stripe_webhook_secret.startswith("whsec_")
    assert os.listdir(tmp_path) == ["secret.key"]


def test_what_children_read_back_is_what_the_parent_had(load: Any) -> None:
    for config in (load(), load(**LIVE, SENSORIUM_FEE_BPS="250", SENSORIUM_HOST="::1")):
        assert configuration.load(config.environment()) == config


def test_settings_are_taken_out_of_an_environment_and_nothing_else() -> None:
    environment = {"PATH": "/bin", "DATABASE_URL": "x", "DATABASE_URL_FILE": "y", "SENSORIUM_PORT": "1"}
    assert configuration.without_settings(environment) == {"PATH": "/bin"}


def test_every_field_has_a_setting_and_every_setting_is_in_the_operations_guide() -> None:
    assert {setting.field for setting in SETTINGS} == set(Config.__struct_fields__)
    guide = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
    for setting in SETTINGS:
        assert f"`{setting.name}`" in guide, f"docs/operations.md does not explain {setting.name}"


def test_an_ipv6_address_stands_in_brackets_in_the_public_url(load: Any) -> None:
    assert load(SENSORIUM_HOST="::1").public_url == "http://[::1]:8000"
    assert load(SENSORIUM_HOST="::").public_url == "http://[::1]:8000"
    assert load(SENSORIUM_HOST="0.0.0.0", SENSORIUM_PORT="81").public_url == "http://127.0.0.1:81"


def test_a_folder_behind_links_that_lead_in_a_circle_is_refused(load: Any, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    with pytest.raises(BadSetting, match="SENSORIUM_MEDIA_URL must be a folder"):
        load(SENSORIUM_MEDIA_URL=str(tmp_path / "one"))


def test_a_secret_key_that_cannot_be_read_is_named(load: Any, tmp_path: Path) -> None:
    (tmp_path / "secret.key").mkdir()
    with pytest.raises(BadSetting, match=r"SENSORIUM_DATA_DIR: cannot read .*/secret.key"):
        load()


def test_a_folder_for_photos_that_cannot_be_written_to_is_refused(load: Any, tmp_path: Path) -> None:
    configuration.require_media(load())
    assert list((tmp_path / "media").iterdir()) == []
    configuration.require_media(load(SENSORIUM_MEDIA_URL="s3://bucket/prefix"))
    with pytest.raises(BadSetting, match="SENSORIUM_MEDIA_URL: /proc/nowhere cannot be written to"):
        configuration.require_media(load(SENSORIUM_MEDIA_URL="/proc/nowhere"))
