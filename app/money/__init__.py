"""What moves money outside our database. Each job runs at least once and may die at any line.

outgoing: operations go out to Stripe, each under its key, and are settled by what the answer proves.
incoming: Stripe's events come in; what they are about is fetched again and moves by its state.
money_in, money_back, money_out: what is particular to top-ups, to refunds and disputes, to people's payouts.
runs: payout runs are paid, many lines at a time.
mirror: Stripe's balance is copied line by line, and events whose webhook was lost are found in Stripe's list.
"""

# They register how each kind of operation is sent and each kind of event is understood.
from app.money import money_in, money_out

__all__ = ["money_in", "money_out"]
