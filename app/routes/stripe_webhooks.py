"""Where Stripe tells that something has happened: verified, kept, answered; acted on afterwards."""

from litestar.handlers import HTTPRouteHandler

from app import money_jobs
from app.answers import Answer, json_answer
from app.auth import EVERYONE
from app.edge import Call, endpoint
from app.errors import Problem
from app.gateways.stripe import BadSignature
from market import stripe_ops

LIMIT = 512_000


@endpoint("POST", "/stripe/webhooks", by=EVERYONE, uses="own", limit=LIMIT, hidden=True)
async def take_stripe_event(call: Call) -> Answer:
    """Keep an event. One that came before, or from the other mode (live or test), is answered in the same way."""
    stripe = money_jobs.stripe_of(call.services)
    try:
        webhook = stripe.read_webhook(await call.request.body(), call.request.headers.get("stripe-signature"))
    except BadSignature as error:
        raise Problem("malformed", str(error)) from None
    if stripe.same_mode(webhook):
        notice = stripe_ops.Notice(webhook.id, webhook.type, webhook.object_type, webhook.object_id)
        async with call.services.database.transaction() as connection:
            if await stripe_ops.receive(connection, notice):
                await money_jobs.queue_event(connection, notice.id)
    return json_answer({"received": True})


ROUTES: list[HTTPRouteHandler] = [take_stripe_event]
