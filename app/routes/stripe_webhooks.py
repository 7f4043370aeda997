"""Where Stripe tells that something has happened: verified, kept, answered; acted on afterwards."""

from litestar.handlers import HTTPRouteHandler

from app.answers import Answer, json_answer
from app.auth import EVERYONE
from app.edge import Call, endpoint
from app.errors import Problem
from app.gateways.stripe import BadSignature
from app.money.incoming import queue_event
from app.money.outgoing import stripe_of
from market import stripe_inbox

LIMIT = 512_000


@endpoint("POST", "/stripe/webhooks", by=EVERYONE, uses="own", limit=LIMIT, hidden=True)
async def take_stripe_event(call: Call) -> Answer:
    """Keep an event. One that came before, or from the other mode (live or test), is answered in the same way."""
    stripe = stripe_of(call.services)
    try:
        webhook = stripe.read_webhook(await call.request.body(), call.request.headers.get("stripe-signature"))
    except BadSignature as error:
        raise Problem("malformed", str(error)) from None
    if stripe.same_mode(webhook):
        notice = stripe_inbox.Notice(webhook.id, webhook.type, webhook.object_type, webhook.object_id, webhook.account)
        async with call.services.database.transaction() as connection:
            if await stripe_inbox.receive(connection, notice):
                await queue_event(connection, notice.id)
    return json_answer({"received": True})


ROUTES: list[HTTPRouteHandler] = [take_stripe_event]
