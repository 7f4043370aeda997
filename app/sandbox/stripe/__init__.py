"""The bundled Stripe sandbox: a server that the official SDK talks to as if it were Stripe.

It keeps customers, cards, payments, recipients, transfers and real balances in one SQLite file, judges every request
by the schema of the installed SDK, replays idempotency keys as Stripe does and sends signed webhooks.
"""
