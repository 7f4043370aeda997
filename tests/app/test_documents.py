"""Cy opens a receipt and a statement in a browser, by links that are signed and end; nobody makes one of their own."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from app import links
from app.errors import Problem
from app.links import OfReceipt, OfStatement
from tests.app.conftest import Caller, World, agent, is_problem, ok
from tests.app.stripe_sandbox import Desk, desk, world

__all__ = ["desk", "world"]
BROWSER = {"accept": "text/html"}
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
RECEIPT = OfReceipt(account=uuid4(), until=int(NOW.timestamp()) + 60, funding=uuid4())
STATEMENT = OfStatement(
    account=uuid4(), until=int(NOW.timestamp()) + 60, first=date(2026, 3, 1), last=date(2026, 3, 31), currency="usd"
)
SECRET = "s" * 32


def path(url: str) -> str:
    return httpx.URL(url).path


async def receipt_of(caller: Caller) -> dict[str, str]:
    [funding] = ok(await caller.get("/v1/funding"))["items"]
    found: dict[str, str] = ok(await caller.get(f"/v1/funding/{funding['id']}/receipt"))
    return found


async def test_a_receipt_opens_in_a_browser_without_a_key_until_its_link_is_over(desk: Desk, cy: Caller) -> None:
    await desk.fund(cy, 2_000)
    receipt = await receipt_of(cy)
    assert receipt["html_url"].startswith(f"{desk.world.services.config.public_url}/documents/")
    page = await desk.world.client.get(path(receipt["html_url"]), headers=BROWSER)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    for text in (receipt["number"], "$20.00", "Cy", "Sensorium"):
        assert text in page.text
    assert (page.headers["referrer-policy"], page.headers["cache-control"]) == ("no-referrer", "no-store")
    assert "noindex" in page.headers["x-robots-tag"] and "default-src 'none'" in page.headers["content-security-policy"]
    await desk.world.later(links.DAYS * 86_400)
    over = await desk.world.client.get(path(receipt["html_url"]))
    is_problem(over, 404, "not-found")
    assert "7 days" in over.json()["detail"]
    assert (await receipt_of(cy))["html_url"] != receipt["html_url"]


async def test_a_statement_opens_for_the_days_that_were_asked_for_and_no_others(desk: Desk, cy: Caller) -> None:
    await desk.fund(cy, 2_000)
    asked = "/v1/account/statement?from=2020-03-01&to=2020-03-31"
    statement = ok(await cy.get(asked))
    page = await desk.world.client.get(path(statement["html_url"]), headers=BROWSER)
    assert page.status_code == 200 and "2020-03-01 to 2020-03-31" in page.text and "Cy" in page.text
    assert "$20.00" not in page.text and page.headers["referrer-policy"] == "no-referrer"
    now = ok(await cy.get("/v1/account/statement"))
    assert "$20.00" in (await desk.world.client.get(path(now["html_url"]), headers=BROWSER)).text
    more = await desk.world.client.get(f"{path(statement['html_url'])}?from=2000-01-01&to=2030-01-01", headers=BROWSER)
    assert "2020-03-01 to 2020-03-31" in more.text


async def test_the_name_of_another_document_under_the_same_signature_is_refused(desk: Desk, cy: Caller) -> None:
    await desk.fund(cy, 2_000)
    eve = await agent(desk.world, "Eve")
    await desk.fund(eve, 1_000)
    mine, theirs = [path((await receipt_of(each))["html_url"]).rpartition("/")[2] for each in (eve, cy)]
    for forged in (
        f"{theirs.split('.')[0]}.{mine.split('.')[1]}",
        theirs.split(".")[0],
        "",
        "x",
        ".",
        "e30.e30",
        "é.é",
    ):
        is_problem(await desk.world.client.get(f"/documents/{forged}"), 404, "not-found")
    assert "Cy" not in (await desk.world.client.get(f"/documents/{mine}", headers=BROWSER)).text


@pytest.mark.parametrize("document", [RECEIPT, STATEMENT])
def test_a_token_is_for_its_document_only_whole_and_in_time(document: links.Document) -> None:
    token = links.token(SECRET, document)
    assert links.document(SECRET, token, NOW) == document and len(token) < 400
    with pytest.raises(Problem, match="7 days"):
        links.document(SECRET, token, NOW + timedelta(seconds=60))
    said, _, signature = token.partition(".")
    longer = urlsafe_b64decode(said + "=" * (-len(said) % 4)).replace(str(document.until).encode(), b"9999999999")
    others = [f"{urlsafe_b64encode(longer).decode().rstrip('=')}.{signature}", f"{said}={'.'}{signature}", token[:-1]]
    others += [token + "A", f"{said}.", f".{signature}", signature, "A" * 5_000, links.token("other" * 8, document)]
    for forged in others:
        with pytest.raises(Problem, match="There is no such document"):
            links.document(SECRET, forged, NOW)


async def test_who_asks_for_a_page_or_a_table_gets_no_link_in_it(desk: Desk, cy: Caller, world: World) -> None:
    for form in ("html", "csv"):
        answer = await cy.get(f"/v1/account/statement?format={form}")
        assert answer.status_code == 200 and "/documents/" not in answer.text
