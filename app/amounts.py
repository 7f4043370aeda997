"""Amounts and days as people read them: on pages, in mails and in statements."""

from datetime import UTC, datetime

from market.money import Money

SIGNS = {"usd": "$", "eur": "€", "gbp": "£"}
WITHOUT_MINOR_UNITS = ("jpy",)  # as Stripe counts them: it gives ISK and UGX two decimals


def money(value: Money) -> str:
    """$3.00, CHF 3.00, JPY 300."""
    sign = SIGNS.get(value.currency, f"{value.currency.upper()} ")
    return f"{'−' if value.amount < 0 else ''}{sign}{_number(value, ',')}"


def number(value: Money) -> str:
    """3.00 or -1234.50, as programs read it: no sign of the currency, nothing between thousands."""
    return f"{'-' if value.amount < 0 else ''}{_number(value, '')}"


def _number(value: Money, thousands: str) -> str:
    size = abs(value.amount)
    if value.currency in WITHOUT_MINOR_UNITS:
        return f"{size:{thousands}}"
    return f"{size // 100:{thousands}}.{size % 100:02d}"


def day(at: datetime) -> str:
    """3 Mar 2026."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y}"
