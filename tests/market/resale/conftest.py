"""A market with three accounts, and something that the first of them has had observed."""

from uuid import UUID

import pytest

from market import keys
from tests.market.conftest import Cast
from tests.market.resale import Traders


@pytest.fixture
async def market(cast: Cast) -> Traders:
    return Traders(cast)


@pytest.fixture
async def ada(market: Traders) -> keys.Actor:
    return await market.agent("ada")


@pytest.fixture
async def cy(market: Traders) -> keys.Actor:
    return await market.agent("cy")


@pytest.fixture
async def dee(market: Traders) -> keys.Actor:
    return await market.agent("dee")


@pytest.fixture
async def seen(market: Traders, ada: keys.Actor, bo: UUID) -> str:
    return await market.observed(ada, bo, external_id="ours-1")
