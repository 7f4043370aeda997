"""Sellers and buyers of what was observed, for tests: a market of accounts in any currency."""

from typing import Any
from uuid import UUID

import msgspec

from market import accounts, ids, keys, ledger, listings, posting, sales, submissions
from market.listing_terms import Listing, ListingDraft, Purchase
from market.terms import TaskDraft
from tests.market.conftest import BAKERY, FEE_BPS, HOLD_S, PASS, Cast

CC_BY = {"id": "CC-BY-4.0"}


class Traders:
    """What the accounts of one market do with each other."""

    def __init__(self, cast: Cast, currency: str = "usd") -> None:
        self.cast, self.conn, self.currency = cast, cast.conn, currency

    async def agent(self, name: str, funds: int = 10**9) -> keys.Actor:
        draft = accounts.AccountDraft(name=name, email=f"{name}@example.com", currency=self.currency)
        _, secret = await accounts.open_account(self.conn, draft)
        actor = await keys.find(self.conn, secret)
        from_outside = [(ledger.CLEARING, funds), (ledger.buyer(actor.owner), -funds)]
        await ledger.post(
            self.conn, "funding", f"seed:{actor.owner}", from_outside, currency=self.currency, actor="test"
        )  # fmt: skip
        return actor

    async def observed(self, buyer: keys.Actor, person: UUID, **task: Any) -> str:
        """A task of the buyer's, answered and accepted: the observation's id."""
        given = BAKERY | {"reward": {"amount": 300, "currency": self.currency}} | task
        posted = await posting.post(
            self.conn, buyer, msgspec.convert(given, TaskDraft), rates=posting.Rates(FEE_BPS)
        )  # fmt: skip
        _, submission = await self.cast.submit(person, posted.id)
        await submissions.judge(self.conn, submission, PASS, failed_check=None, hold_s=HOLD_S)
        found: UUID = await self.conn.fetchval("SELECT id FROM observation WHERE submission_id = $1", submission)
        return ids.show("observation", found)

    async def offer(
        self, seller: keys.Actor, what: str, price: int | dict[str, Any], fee_bps: int = FEE_BPS, **terms: Any
    ) -> Listing:
        """Put an observation or a data set up for sale, under CC-BY-4.0 unless said otherwise."""
        part = "dataset_id" if what.startswith("data_") else "observation_id"
        given = {part: what, "price": self.money(price) if isinstance(price, int) else price, "license": CC_BY, **terms}
        return await listings.create(self.conn, seller, msgspec.convert(given, ListingDraft), fee_bps=fee_bps)

    async def buy(
        self, buyer: keys.Actor, listing: Listing | str, most: int = 10_000_000, fee_bps: int = FEE_BPS, **asked: Any
    ) -> sales.Sold:
        public = listing if isinstance(listing, str) else listing.id
        given = msgspec.convert({"max_price": self.money(most), **asked}, Purchase)
        return await sales.buy(self.conn, buyer, public, given, fee_bps=fee_bps, hold_s=HOLD_S)

    async def has(self, actor: keys.Actor) -> int:
        """What an account has available."""
        return (await ledger.balances(self.conn, [ledger.buyer(actor.owner)], self.currency))[0]

    async def pending(self, person: UUID) -> int:
        return (await ledger.balances(self.conn, [ledger.person(person, "pending")], self.currency))[0]

    def money(self, amount: int) -> dict[str, Any]:
        return {"amount": amount, "currency": self.currency}
