"""HTTP as the demo's people and agents use it: a key, JSON, and an error that says what was refused."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import httpx

PATIENCE_S = 60.0


class Refused(Exception):
    """The service refused: its problem document."""

    def __init__(self, method: str, path: str, response: httpx.Response) -> None:
        self.status = response.status_code
        try:
            self.problem: dict[str, Any] = response.json()
        except ValueError:
            self.problem = {"detail": response.text[:300]}
        self.slug = str(self.problem.get("type", "")).rpartition("/")[2]
        super().__init__(f"{method} {path}: {self.status} {self.slug} {self.problem.get('detail', '')}")


class Caller:
    """Somebody with a key. POSTs carry a fresh Idempotency-Key, kept over repeats."""

    def __init__(self, client: httpx.AsyncClient, key: str = "") -> None:
        self._client = client
        self._headers = {"authorization": f"Bearer {key}"} if key else {}

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request; again with the same key while the service is busy. Raises Refused for any other refusal."""
        headers = {**self._headers, **options.pop("headers", {})}
        if method == "POST":
            headers["idempotency-key"] = str(uuid.uuid4())
        for attempt in range(6):
            response = await self._client.request(method, path, headers=headers, **options)
            if response.status_code not in (429, 503) and response.status_code < 400:
                return response
            if response.status_code not in (429, 503) or attempt == 5:
                break
            await asyncio.sleep(float(response.headers.get("retry-after", "1")))
        raise Refused(method, path, response)

    async def get(self, path: str, **query: Any) -> Any:
        return (await self.ask("GET", path, params=query)).json()

    async def post(self, path: str, body: Any = None) -> Any:
        response = await self.ask("POST", path, **({} if body is None else {"json": body}))
        return response.json() if response.content else None


async def until(condition: Any, what: str, *, every_s: float = 0.2, patience_s: float = PATIENCE_S) -> Any:
    """The first true answer of the coroutine function `condition`; TimeoutError saying what did not happen."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while True:
        found = await condition()
        if found:
            return found
        if loop.time() > deadline:
            raise TimeoutError(f"{what} did not happen within {patience_s:.0f} s")
        await asyncio.sleep(every_s)
