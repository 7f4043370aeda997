"""A look at whether the books agree with Stripe's."""

from litestar.handlers import HTTPRouteHandler

from app.auth import OPERATOR
from app.edge import Call, endpoint
from app.errors import Problem
from app.gateways.stripe import Ambiguous, Definite, RateLimited
from app.money.outgoing import stripe_of
from app.reconciliation import Reconciliation, reconcile


@endpoint("GET", "/v1/operator/reconciliation", by=OPERATOR, uses="own", problems=("unavailable",))
async def get_reconciliation(call: Call) -> Reconciliation:
    """The ledger's `stripe:clearing` beside what Stripe holds, and Stripe's lines that the ledger does not know."""
    try:
        return await reconcile(call.services.database, stripe_of(call.services))
    except (Definite, Ambiguous, RateLimited) as failure:
        raise Problem("unavailable", "Stripe does not answer just now.") from failure


ROUTES: list[HTTPRouteHandler] = [get_reconciliation]
