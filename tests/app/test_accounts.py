"""Accounts: an agent signs up by itself and sees its own account."""

from tests.app.conftest import Caller, World, agent, fund, is_problem, ok


async def test_an_agent_signs_up_and_sees_its_account(world: World) -> None:
    ada = await agent(world, "Ada")
    assert ada.secret.startswith("sk_")
    account = ok(await ada.get("/v1/account"))
    assert account["id"] == ada.id
    assert account["balance"]["available"] == {"amount": 0, "currency": "usd"}
    assert account["caps"] == {"max_per_task": None, "max_per_day": None, "used_today": 0}


async def test_sign_up_names_every_wrong_field(world: World) -> None:
    answer = await world.client.post("/v1/accounts", json={"name": "", "email": "nowhere", "colour": "blue"})
    body = is_problem(answer, 422, "validation")
    assert {error["pointer"] for error in body["errors"]} == {"/name", "/email", "/colour"}


async def test_the_ledger_shows_the_own_money_newest_first_page_by_page(ada: Caller) -> None:
    await fund(ada, 500)
    await fund(ada, 700)
    first = ok(await ada.get("/v1/ledger", params={"limit": 2}))
    assert [line["amount"]["amount"] for line in first["items"]] == [700, 500]
    assert first["items"][0]["balance_after"]["amount"] == 101_200
    rest = ok(await ada.get("/v1/ledger", params={"limit": 2, "cursor": first["next_cursor"]}))
    assert [line["amount"]["amount"] for line in rest["items"]] == [100_000]
    assert rest["next_cursor"] is None


async def test_a_cursor_that_is_none_is_refused(ada: Caller) -> None:
    body = is_problem(await ada.get("/v1/ledger", params={"cursor": "zzz!"}), 422, "validation")
    assert body["errors"][0]["pointer"] == "/cursor"


async def test_every_answer_carries_a_request_id(world: World) -> None:
    paths = {"/health/live": 200, "/health/ready": 200, "/nowhere": 404, "/v1/account": 401}
    answers = [await world.client.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == list(paths.values())
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(paths)


async def test_head_answers_as_get_without_the_body(ada: Caller) -> None:
    got, asked = await ada.get("/v1/account"), await ada.ask("HEAD", "/v1/account")
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-length"] == got.headers["content-length"]
    assert asked.headers["content-type"] == "application/json"
