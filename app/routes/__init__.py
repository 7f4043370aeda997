"""One file a resource. How to write a route here:

    from app.auth import AGENT, OPERATOR, PERSON, EVERYONE
    from app.edge import Call, endpoint

    @endpoint("POST", "/v1/funding", by=AGENT, scope="funding:write", once=True, status=201,
              problems=("over-cap",))
    async def fund_account(call: Call, data: FundingRequest) -> FundingView:
        '''Add funds to the balance.

        More for the API description, in plain words.
        '''
        return await market.funding.begin(call.connection, call.actor.account_id, …)

- The function's name is the operation id, unique in the service; the docstring's first line its summary.
- `data`: a msgspec Struct with `forbid_unknown_fields=True, kw_only=True`, bounds by `msgspec.Meta` on every number,
  text and list, and `examples` in Meta, from which the API description takes its example. `query`: likewise. Path
  parameters by their name. All are strict; the edge answers 400, 413, 415 and 422 itself.
- Handlers of POST, PUT, PATCH and DELETE run in one transaction (`call.connection`), those of GET on a connection
  without one. `uses="own"`: no connection; take `call.services.database.read()` or `.transaction()` for as short as
  possible, and never hold one while waiting for something else.
- To refuse, raise: a class of `market.errors` (its status stands in `app/errors.py`, one line each) or
  `Problem(slug, detail)`. Never return an error: what was written would be committed.
- `once=True` on every POST that creates something or moves money (Idempotency-Key).
- Slow work and anything outside the database: `await jobs.enqueue(call.connection, kind, payload)` with a function
  declared by `@jobs.handler(kind)`; it runs at least once, after the commit. Import its module in `app/worker.py`.
- After appending to the event log: `wake(EVENTS)` of `app/db.py`, so that whoever waits looks again after the commit.
- Things of others are `not-found`, never `forbidden`.
- What is returned becomes JSON; an `Answer` (`app/answers.py`) goes out as it is: `html_answer`, `redirect`, bytes.
- Each new route needs a line in `tests/app/test_authorisation.py`, which fails otherwise.
- Add the handler to `ROUTES` of its module, and the module to `all_routes` in `app/main.py`.
"""
