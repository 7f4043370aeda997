"""How one setting's text is read: each reader gives the value, or raises ValueError with what is wanted instead."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from market.money import CURRENCIES, LARGEST

MEDIA_SCHEMES = ("s3", "gs", "az", "file", "memory")


def whole(smallest: int, largest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not smallest <= int(text) <= largest:
            raise ValueError(f"a whole number from {smallest} to {largest}")
        return int(text)

    return read


def yes_or_no(text: str) -> bool:
    answers = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in answers:
        raise ValueError("true or false")
    return answers[text.lower()]


def one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text.lower()

    return read


def url(*schemes: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        wanted = f"a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError:
            raise ValueError(wanted) from None
        if parts.scheme not in schemes or not (parts.netloc or parts.query):
            raise ValueError(wanted)
        return text.rstrip("/")

    return read


def networks(text: str) -> str:
    try:
        return ",".join(str(ip_network(part.strip())) for part in text.split(","))
    except ValueError:
        raise ValueError("addresses or networks such as 10.0.0.0/8, with commas between") from None


def media(text: str) -> str:
    scheme = urlsplit(text).scheme
    if "://" in text and scheme not in MEDIA_SCHEMES:
        raise ValueError(f"a folder, or a URL that begins with {', '.join(f'{known}://' for known in MEDIA_SCHEMES)}")
    return text if "://" in text else f"file://{folder(text)}"


def folder(text: str) -> Path:
    path = Path(text)
    try:
        path = path.expanduser()
    except RuntimeError:
        raise ValueError("a folder (this user has no home, so ~ means nothing)") from None
    try:
        if path.exists() and not path.is_dir():
            raise ValueError("a folder, not a file")
        return path.resolve()
    except OSError as error:
        raise ValueError(f"a folder within this user's reach ({error.strerror})") from None
    except RuntimeError:
        raise ValueError("a folder (these links lead round in a circle)") from None


def starts_with(*beginnings: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text.startswith(beginnings) or len(text) < 12:
            raise ValueError(f"something that begins with {' or '.join(beginnings)}")
        return text

    return read


def long_secret(text: str) -> str:
    if len(text) < 32:
        raise ValueError("at least 32 characters")
    return text


def endpoint(text: str) -> str:
    """An address to post to, taken to the letter; no name or password in it."""
    parts = urlsplit(url("http", "https")(text))
    if not parts.hostname or parts.username is not None or parts.fragment or any(c.isspace() for c in text):
        raise ValueError("the whole address to post to, such as https://models.example/v1/messages")
    return text


def token(text: str) -> str:
    """What may stand in a header: printable ASCII without spaces."""
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > 500:
        raise ValueError("at most 500 printable ASCII characters without spaces")
    return text


def certificates(text: str) -> str:
    """The path of a file of PEM certificates, every one of them sound."""
    path = Path(text).expanduser().resolve()
    try:
        read_certificates(path)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"a file of PEM certificates that can be read ({reason})") from None
    return str(path)


def read_certificates(path: Path) -> str:
    """The PEM certificates in a file; raises OSError, or ValueError when there is none or one is broken."""
    pem = path.read_text("ascii")
    begun = pem.count("-----BEGIN CERTIFICATE-----")
    if not begun:
        raise ValueError("it holds no certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except ssl.SSLError as error:
        raise ValueError("a certificate in it is broken") from error
    return pem


def header(text: str) -> str:
    """The name of an HTTP header (RFC 9110, section 5.1: a token)."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", text):
        raise ValueError("the name of a header, such as CF-IPCountry")
    return text


def amounts(text: str) -> str:
    """Amounts by currency, such as usd:5,jpy:8; 0: none at all."""
    if text == "0":
        return text
    try:
        found = amounts_in(text)
    except ValueError:
        found = {}
    if not found or len(found) != len(text.split(",")) or not set(found) <= set(CURRENCIES):
        raise ValueError("amounts in minor units by currency, such as usd:5,jpy:8, or 0 for none")
    return ",".join(f"{currency}:{amount}" for currency, amount in found.items())


def amounts_in(text: str) -> dict[str, int]:
    """What `amounts` has read, as numbers."""
    if text == "0":
        return {}
    pairs = [part.strip().split(":") for part in text.split(",")]
    return {currency: whole(0, LARGEST)(amount) for currency, amount in pairs}
