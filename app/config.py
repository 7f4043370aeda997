"""What the service is told by its environment: one frozen `Config`, read once at the start.

Our names carry the prefix SENSORIUM_, but for the three that every host and tool already knows: DATABASE_URL,
STRIPE_API_KEY and STRIPE_WEBHOOK_SECRET. So an unknown name with our prefix is a typing error and stops the start, and
nobody else's environment is looked at. A secret may stand in a file: NAME_FILE holds the path to it.
"""

from __future__ import annotations

import difflib
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import msgspec

from app import setting_values as read
from market.posting import Rates

PREFIX = "SENSORIUM_"
SECONDS_IN_A_WEEK = 604_800
CLOSE = 0.7  # of difflib's ratio: PROT is close to PORT, FOO to nothing


class BadSetting(Exception):
    """A setting is unknown, malformed or missing; the message is one line that names it."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, checked. Durations in seconds, money in basis points. The repr hides secrets."""

    database_url: str  # "": the embedded PostgreSQL in data_dir
    data_dir: Path
    media_url: str  # as obstore takes it; a local folder is file://
    host: str
    port: int
    public_url: str  # without a slash at the end
    metrics_port: int  # 0: none
    trusted_proxies: str  # addresses and networks with commas between; "": none
    country_header: str  # in which those proxies say what country a request comes from; "": in none
    http_workers: int
    db_pool_size: int
    decode_workers: int
    c2pa_anchors: str  # a PEM file of certificates; "": no signer of pictures is trusted
    log_level: str
    sandbox: bool  # play money, outbox instead of mail, a clock that can be moved
    stripe_api_key: str
    stripe_webhook_secret: str
    stripe_api_base: str
    stripe_timeout_s: int
    smtp_url: str  # "": no mail leaves; only in sandbox mode
    secret_key: str  # signs challenges and sessions, hashes one-time codes
    fee_bps: int
    least_per_minute: str  # what an answer must pay at least for each expected minute: usd:5,eur:5 in minor units
    hold_window_s: int
    shows_protocol: str  # "": no vision-language endpoint judges what pictures show
    shows_url: str
    shows_key: str
    shows_model: str
    shows_timeout_s: int
    shows_max_tokens: int
    shows_calls_per_day: int
    shows_calls_per_account: int

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.shown().items())
        return f"Config({shown})"

    __str__ = __repr__

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return list(self.shown().items())

    def shown(self) -> dict[str, object]:
        """The settings by field name, fit for a log: secrets as whether they are set, URLs without passwords."""
        return {setting.field: setting.shown(getattr(self, setting.field)) for setting in SETTINGS}

    def environment(self) -> dict[str, str]:
        """The settings as a child process reads them back: nothing defaulted, derived or relative any more."""
        values = {setting.name: getattr(self, setting.field) for setting in SETTINGS}
        return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}

    @property
    def rates(self) -> Rates:
        """What posting a task costs and must pay."""
        return Rates(self.fee_bps, read.amounts_in(self.least_per_minute))

    @property
    def live(self) -> bool:
        """Whether real money moves."""
        return _is_live_key(self.stripe_api_key)


class Setting(msgspec.Struct, frozen=True):
    """One name in the environment: how it is read, and what it means."""

    field: str
    help: str
    read: Callable[[str], Any] = str
    default: str = ""
    secret: bool = False
    own_name: str = ""

    @property
    def name(self) -> str:
        return self.own_name or PREFIX + self.field.upper()

    def shown(self, value: object) -> object:
        if not value or not self.secret:
            return value
        return without_password(str(value)) if self.field.endswith("_url") else "set"


def load(environment: Mapping[str, str] | None = None) -> Config:
    """The configuration from the environment, or BadSetting. A sandbox makes its secret key in the data folder."""
    values = _read(os.environ if environment is None else environment)
    data_dir: Path = values["data_dir"]
    _check_stripe(values)
    if not values["sandbox"] and not values["smtp_url"]:
        raise BadSetting(
            "SENSORIUM_SMTP_URL is missing: people sign in by mailed codes (only sandbox mode does without)"
        )
    _check_shows(values)
    if values["country_header"] and not values["trusted_proxies"]:
        raise BadSetting("SENSORIUM_TRUSTED_PROXIES is missing: SENSORIUM_COUNTRY_HEADER is believed from no one else")
    if not values["media_url"]:
        values["media_url"] = f"file://{data_dir / 'media'}"
    if not values["public_url"]:
        values["public_url"] = f"http://{host_in_url(values['host'])}:{values['port']}"
    if not values["secret_key"]:
        if not values["sandbox"]:
            raise BadSetting(
                "SENSORIUM_SECRET_KEY is missing: all processes of a live service share one (>= 32 characters)"
            )
        values["secret_key"] = _kept_secret(data_dir / "secret.key")
    if values["sandbox"] and not values["stripe_webhook_secret"]:
        # Not a constant: whoever reads this file could fund accounts on a sandbox that is open to a network.
        digest = hmac.digest(values["secret_key"].encode(), b"stripe sandbox webhooks", hashlib.sha256).hex()
        values["stripe_webhook_secret"] = f"whsec_{digest}"
    return Config(**values)


def where_kept(environment: Mapping[str, str]) -> tuple[Path, str]:
    """The data folder and the database's URL ("": the embedded one) that are set. Raises BadSetting; makes nothing."""
    values = _read(environment)
    return values["data_dir"], values["database_url"]


def host_in_url(host: str) -> str:
    """How a URL names a server on this machine that listens on `host`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{reachable}]" if ":" in reachable else reachable


def without_password(url: str) -> str:
    """The URL with `***` in the place of a password, whether before the host or as a parameter."""
    parts = urlsplit(url)
    if parts.password is None and "password=" not in parts.query:
        return url
    place = parts.netloc.rpartition("@")[2]
    query = "&".join("password=***" if item.startswith("password=") else item for item in parts.query.split("&"))
    user = f"{parts.username}:***@" if parts.password is not None else parts.netloc.removesuffix(place)
    return urlunsplit(SplitResult(parts.scheme, f"{user}{place}", parts.path, query, ""))


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment but for all that is ours."""
    ours = {name for setting in SETTINGS for name in (setting.name, f"{setting.name}_FILE")}
    return {name: text for name, text in environment.items() if name not in ours}


def _default_data_dir() -> str:
    return os.path.join(os.environ.get("XDG_DATA_HOME") or "~/.local/share", "sensorium")


# The order is that of `sensorium config` and of docs/operations.md.
SETTINGS = (
    Setting("database_url", "PostgreSQL >= 15; without it the embedded one runs in the data folder",
            read.url("postgresql", "postgres"), secret=True, own_name="DATABASE_URL"),
    Setting("data_dir", "where the embedded database, media and the sandbox's state live", read.folder,
            _default_data_dir()),
    Setting("media_url", "photos and files: a folder, s3://, gs:// or az://; default: data folder/media", read.media),
    Setting("host", "address to listen on", str, "127.0.0.1"),
    Setting("port", "port to listen on", read.whole(0, 65535), "8000"),
    Setting("public_url", "how phones and agents reach the service; default: http://host:port",
            read.url("http", "https")),
    Setting("metrics_port", "Prometheus metrics at /metrics on this port; 0: none", read.whole(0, 65535), "0"),
    Setting("trusted_proxies", "addresses or networks of proxies whose X-Forwarded-For is believed, commas between",
            read.networks),
    Setting("country_header", "header in which the trusted proxies name the country of a request's address",
            read.header),
    Setting("http_workers", "processes that answer HTTP", read.whole(1, 256), "1"),
    Setting("db_pool_size", "database connections of one process", read.whole(2, 500), "10"),
    Setting("decode_workers", "processes that decode images, for each worker", read.whole(1, 64), "2"),
    Setting("c2pa_anchors", "PEM file of the certificates whose signers of pictures (C2PA) are trusted; default: none",
            read.certificates),
    Setting("log_level", "debug, info, warning or error", read.one_of("debug", "info", "warning", "error"), "info"),
    Setting("sandbox", "play money, mail to an outbox page, a movable clock; default: when STRIPE_API_KEY is not set",
            read.yes_or_no),
    Setting("stripe_api_key", "secret or restricted key of the Stripe account",
            read.starts_with("sk_test_", "sk_live_", "rk_test_", "rk_live_"), secret=True, own_name="STRIPE_API_KEY"),
    Setting("stripe_webhook_secret", "signing secret of the webhook endpoint /stripe/webhooks",
            read.starts_with("whsec_"), secret=True, own_name="STRIPE_WEBHOOK_SECRET"),
    Setting("stripe_api_base", "where the Stripe API is; default: Stripe, or the sandbox that `sensorium run` starts",
            read.url("http", "https")),
    Setting("stripe_timeout_s", "how long one call to Stripe may take; then it is in doubt and sent again",
            read.whole(1, 80), "20"),
    Setting("smtp_url", "smtp://user:password@host:port (STARTTLS) or smtps://", read.url("smtp", "smtps"),
            secret=True),
    Setting("secret_key", "signs challenges and sessions; at least 32 characters, the same for all processes",
            read.long_secret, secret=True),
    Setting("fee_bps", "the market's fee in basis points of the gross amount", read.whole(0, 10_000), "1000"),
    Setting("least_per_minute", "least pay for each minute that an answer is expected to take, minor units; 0: none",
            read.amounts, "usd:5,eur:5,gbp:4,chf:4,sek:50,jpy:8,huf:1800,twd:160,isk:650,ugx:18000"),
    Setting("hold_window_s", "seconds from acceptance until earnings may be paid out",
            read.whole(0, 366 * 86_400), str(SECONDS_IN_A_WEEK)),
    Setting("shows_protocol", "what the endpoint that judges pictures speaks: openai or anthropic; without it: none",
            read.one_of("openai", "anthropic")),
    Setting("shows_url", "the one address that pictures and questions are posted to, in full",
            read.endpoint, secret=True),
    Setting("shows_key", "key for that endpoint; without it none is sent", read.token, secret=True),
    Setting("shows_model", "model that the endpoint is asked for", read.token),
    Setting("shows_timeout_s", "how long one call to it may take", read.whole(1, 15), "8"),
    Setting("shows_max_tokens", "longest answer that is paid for", read.whole(50, 4000), "400"),
    Setting("shows_calls_per_day", "calls to it in one day (UTC), all processes together", read.whole(0, 10_000_000),
            "1000"),
    Setting("shows_calls_per_account", "calls to it in one day for one account's tasks", read.whole(0, 10_000_000),
            "200"),
)  # fmt: skip


# ---- reading all of them


def _read(environment: Mapping[str, str]) -> dict[str, Any]:
    names = {setting.name for setting in SETTINGS}
    files = {f"{setting.name}_FILE" for setting in SETTINGS if setting.secret}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in names | files:
            raise BadSetting(f"{name} is not a setting: {_hint(name, names | files)}")
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text = _text(setting, environment)
        try:
            values[setting.field] = setting.read(text) if text else _nothing(setting)
        except ValueError as error:
            said = "" if setting.secret else f", not {text!r}"
            raise BadSetting(f"{setting.name} must be {error}{said}") from None
    return values


def _hint(name: str, known: set[str]) -> str:
    """By what follows the prefix, which all of ours have in common."""
    ours = {each.removeprefix(PREFIX): each for each in known}
    near = difflib.get_close_matches(name.removeprefix(PREFIX), ours, n=1, cutoff=CLOSE)
    return f"did you mean {ours[near[0]]}?" if near else "`sensorium config` lists the known ones"


def _text(setting: Setting, environment: Mapping[str, str]) -> str:
    """As written, or what its file holds; an empty value counts as not set, as container hosts pass on blanks."""
    text, file = environment.get(setting.name, ""), environment.get(f"{setting.name}_FILE", "")
    if not setting.secret or not file:
        return text.strip() or setting.default
    if text:
        raise BadSetting(f"{setting.name} and {setting.name}_FILE are both set: keep one")
    try:
        text = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"{setting.name}_FILE: cannot read {file} ({error})") from None
    if not text:
        raise BadSetting(f"{setting.name}_FILE: {file} is empty")
    return text


def _nothing(setting: Setting) -> object:
    return None if setting.field == "sandbox" else ""


def _check_stripe(values: dict[str, Any]) -> None:
    key, base = values["stripe_api_key"], values["stripe_api_base"]
    if values["sandbox"] is None:
        values["sandbox"] = not key
    if values["sandbox"] and _is_live_key(key):
        raise BadSetting("SENSORIUM_SANDBOX must be off with a live STRIPE_API_KEY: it would move the market's clock")
    if not values["sandbox"]:
        for field, name in (("stripe_api_key", "STRIPE_API_KEY"), ("stripe_webhook_secret", "STRIPE_WEBHOOK_SECRET")):
            if not values[field]:
                raise BadSetting(f"{name} is missing: it is needed unless SENSORIUM_SANDBOX is on")
    if _is_live_key(key) and base and not base.startswith("https://"):
        raise BadSetting("SENSORIUM_STRIPE_API_BASE must be https:// with a live STRIPE_API_KEY")
    if not base:
        values["stripe_api_base"] = "https://api.stripe.com" if key else SANDBOX_STRIPE_BASE
    if not key:
        values["stripe_api_key"] = SANDBOX_STRIPE_KEY


def _check_shows(values: dict[str, Any]) -> None:
    """All of what names the endpoint or none of it; and a key never travels unencrypted to another machine."""
    needed = ("shows_protocol", "shows_url", "shows_model")
    for field in needed:
        if not values[field] and any(values[each] for each in (*needed, "shows_key")):
            raise BadSetting(f"{PREFIX}{field.upper()} is missing: an endpoint needs its protocol, address and model")
    if values["shows_key"] and not values["shows_url"].startswith("https://"):
        host = urlsplit(values["shows_url"]).hostname or ""
        if host not in ("localhost", "127.0.0.1", "::1"):
            raise BadSetting("SENSORIUM_SHOWS_URL must be https:// where SENSORIUM_SHOWS_KEY is set")


# Where `python -m app.sandbox.stripe` listens unless told otherwise, and a key that only it takes.
SANDBOX_STRIPE_BASE = "http://127.0.0.1:12111"
SANDBOX_STRIPE_KEY = "sk_test_sensorium_sandbox"


def _is_live_key(key: str) -> bool:
    return key.startswith(("sk_live_", "rk_live_"))


def require_writable(name: str, folder: Path) -> None:
    """Make the folder that the setting `name` points to. Raises BadSetting when this user cannot write there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadSetting(
            f"{name}: {folder} cannot be written to ({error.strerror}): choose another folder, or run as its owner"
        ) from None


def require_media(config: Config) -> None:
    """BadSetting when photos are to lie in a folder where this user cannot write."""
    if config.media_url.startswith("file://"):
        require_writable("SENSORIUM_MEDIA_URL", Path(config.media_url.removeprefix("file://")))


def _kept_secret(file: Path) -> str:
    """Made at the first start; two processes that start at once end up with the same one."""
    try:
        if not file.exists():
            require_writable("SENSORIUM_DATA_DIR", file.parent)
            with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix="secret.", delete=False) as fresh:
                fresh.write(secrets.token_hex(32))
            try:
                os.link(fresh.name, file)  # fails when another process was first
            except FileExistsError:
                pass
            finally:
                os.unlink(fresh.name)
        return file.read_text().strip()
    except OSError as error:
        raise BadSetting(
            f"SENSORIUM_DATA_DIR: cannot read {file} ({error.strerror}): choose another folder, or run as its owner"
        ) from None
