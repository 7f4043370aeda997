"""The market's client: retries with the same key, refusals as exceptions, pages, and a key that stays at home."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from research_runner.cli import read_money
from research_runner.client import MarketClient, Money, Problem, Task, from_environment
from research_runner.errors import RunnerError

TASK = {
    "id": "task_1", "status": "open", "quantity": 1, "external_id": "t-1",
    "slots": {"open": 1, "claimed": 0, "done": 0},
    **{name: {"amount": 100, "currency": "usd"} for name in ("reward", "price_now", "held", "fee")},
}  # fmt: skip


@dataclass
class Scripted:
    """A server that gives the answers of a script, in order, and remembers what it was asked."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


def serve(script: Scripted) -> Iterator[Scripted]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.asked.append((self.command, self.path, headers, body))
            status, extra, content = script.answers.pop(0)
            if status == 0:  # the line goes dead after the request was read
                self.close_connection = True
                return
            sent = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(sent)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = answer

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def market() -> Iterator[Scripted]:
    yield from serve(Scripted())


@pytest.fixture
def elsewhere() -> Iterator[Scripted]:
    yield from serve(Scripted())


@pytest.fixture
def client(market: Scripted) -> Iterator[MarketClient]:
    with MarketClient(market.url, "sk_ada", sleep=lambda seconds: None) as made:
        yield made


def test_a_busy_market_is_asked_again_with_the_same_key(market: Scripted, client: MarketClient) -> None:
    market.answers = [
        (503, {"Retry-After": "0"}, {}), (429, {"Retry-After": "1"}, {}), (0, {}, {}), (201, {}, TASK),
    ]  # fmt: skip
    task = client.post_task({"title": "x"})
    assert (task.id, task.external_id, task.reward) == ("task_1", "t-1", Money(100, "usd"))
    keys = {headers["idempotency-key"] for _, _, headers, _ in market.asked}
    assert len(market.asked) == 4 and len(keys) == 1
    assert all(headers["authorization"] == "Bearer sk_ada" for _, _, headers, _ in market.asked)


def test_it_waits_as_long_as_it_is_told(market: Scripted) -> None:
    waited: list[float] = []
    market.answers = [(429, {"Retry-After": "7"}, {}), (503, {"Retry-After": "soon"}, {}), (200, {}, TASK)]
    with MarketClient(market.url, "sk_ada", sleep=waited.append) as client:
        client.task("task_1")
    assert waited == [7.0, pytest.approx(0.8)]


def test_a_request_that_may_have_been_carried_out_is_not_sent_twice_without_a_key(
    market: Scripted, client: MarketClient
) -> None:
    market.answers = [(0, {}, {})]
    with pytest.raises(RunnerError, match="cannot be reached"):
        client.predict("model_1", [b"photo"])
    assert len(market.asked) == 1


def test_a_refusal_tells_type_title_detail_and_fields(market: Scripted, client: MarketClient) -> None:
    body = {
        "type": "https://market/problems/validation", "title": "One field is not as it must be.", "status": 422,
        "detail": "See errors.", "errors": [{"pointer": "/reward", "detail": "must be above 0"}],
    }  # fmt: skip
    market.answers = [(422, {"Content-Type": "application/problem+json"}, body)]
    with pytest.raises(Problem, match=r"/reward: must be above 0") as refused:
        client.post_task({})
    assert (refused.value.slug, refused.value.status, refused.value.detail) == ("validation", 422, "See errors.")
    assert refused.value.errors[0]["pointer"] == "/reward"


def test_an_answer_that_is_no_problem_document_is_still_a_problem(market: Scripted, client: MarketClient) -> None:
    market.answers = [(502, {}, b"<html>bad gateway")]
    with pytest.raises(Problem, match="HTTP 502"):
        client.account()


def test_lists_are_read_to_their_end(market: Scripted, client: MarketClient) -> None:
    market.answers = [
        (200, {}, {"items": [TASK, TASK], "next_cursor": "c+/="}), (200, {}, {"items": [TASK], "next_cursor": None}),
    ]  # fmt: skip
    assert len(list(client.tasks(status="open"))) == 3
    assert "cursor=c%2B%2F%3D" in market.asked[1][1] and "status=open" in market.asked[1][1]


def test_of_a_batch_each_draft_has_its_own_fate(market: Scripted, client: MarketClient) -> None:
    refusal = {"type": "/problems/over-cap", "title": "Over the cap.", "status": 402}
    results = [{"status": 201, "task": TASK}, {"status": 402, "problem": refusal}]
    market.answers = [(200, {}, {"results": results})]
    first, second = client.post_tasks([{}, {}])
    assert isinstance(first, Task) and isinstance(second, Problem) and second.slug == "over-cap"


def test_an_answer_of_another_shape_is_said_so(market: Scripted, client: MarketClient) -> None:
    market.answers = [(200, {}, {"id": 7})]
    with pytest.raises(RunnerError, match="a task of another shape"):
        client.task("task_1")


def test_the_key_does_not_follow_a_link_to_another_server(
    market: Scripted, elsewhere: Scripted, client: MarketClient
) -> None:
    market.answers, elsewhere.answers = [(200, {}, b"ours")], [(200, {}, b"theirs")]
    assert client.download("/v1/photos/1") == b"ours"
    assert client.download(f"{elsewhere.url}/bucket/1") == b"theirs"
    assert "authorization" in market.asked[0][2] and "authorization" not in elsewhere.asked[0][2]


def test_an_absent_market_is_said_so() -> None:
    absent = MarketClient("http://127.0.0.1:9", "sk_ada", sleep=lambda seconds: None)
    with absent, pytest.raises(RunnerError, match="cannot be reached"):
        absent.account()


def test_without_an_address_or_a_key_there_is_a_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENSORIUM_API_KEY", raising=False)
    with pytest.raises(RunnerError, match="set SENSORIUM_URL"):
        from_environment("http://localhost:1")


@pytest.mark.parametrize(("text", "money"), [("50usd", Money(5000, "usd")), ("12.50 EUR", Money(1250, "eur"))])
def test_amounts_are_read_in_minor_units(text: str, money: Money) -> None:
    assert read_money(text) == money


@pytest.mark.parametrize("text", ["50", "usd", "1.5usd", "-3usd", "1e3usd"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(RunnerError, match="not an amount"):
        read_money(text)
