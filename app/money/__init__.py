"""What moves money outside our database. Each job runs at least once and may die at any line.

outgoing: operations go out to Stripe, each under its key, and are settled by what the answer proves.
incoming: Stripe's events come in; what they are about is fetched again and moves by its state.
money_in, top_ups, refunds: what is particular to what buyers pay, by themselves or automatically, and get back.
disputes: chargebacks, inquiries and early warnings about them.
money_out, transfers, reversals: what is particular to people's accounts, to paying them, and to what comes back.
runs: payout runs are paid, many lines at a time.
mirror: Stripe's balance is copied line by line, and events whose webhook was lost are found in Stripe's list.
"""

# They register how each kind of operation is sent and each kind of event is understood.
from app.money import disputes, money_in, money_out, refunds, transfers

__all__ = ["disputes", "money_in", "money_out", "refunds", "transfers"]
