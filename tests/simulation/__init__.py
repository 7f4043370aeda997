"""A seeded life of the market's money, with faults at Stripe and a crash or a cancellation at every await.

    python -m tests.simulation --seeds 1000
    python -m tests.simulation --seed 17 --verbose
    python -m tests.simulation --seeds 100 --hunt 400 --require-all

Everything is real but the network: the service's own routes, jobs and sweeps on PostgreSQL, the official SDK, the
bundled sandbox in the same process. After each life everything comes to rest, and the books must close. A seed decides
all of its life, and strikes a share of the points. The hunt afterwards strikes those that no seed has, in the acts that
lead there, a few in each.
"""
