"""Amounts and days as people read them: on pages, in mails and in statements."""

from datetime import UTC, datetime
from decimal import Decimal

from market.money import Money

SIGNS = {"usd": "$", "eur": "€", "gbp": "£"}
WITHOUT_MINOR_UNITS = ("jpy",)  # as Stripe counts them: it gives ISK and UGX two decimals


def money(value: Money) -> str:
    """$3.00, CHF 3.00, JPY 300."""
    sign = SIGNS.get(value.currency, f"{value.currency.upper()} ")
    return f"{'−' if value.amount < 0 else ''}{sign}{abs(number(value)):,}"


def number(value: Money) -> Decimal:
    """3.00 or -1234.50: in the currency's main unit, exactly."""
    return Decimal(value.amount).scaleb(0 if value.currency in WITHOUT_MINOR_UNITS else -2)


def day(at: datetime) -> str:
    """3 Mar 2026."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y}"


def counted(number: int, one: str, many: str = "") -> str:
    """1 person, 2 people; many: where it is not `one` with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"
