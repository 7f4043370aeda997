"""The market's HTTP API as an agent uses it: typed, retried, paged; the only way by which the runner reaches it."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import httpx
import msgspec

from research_runner.errors import RunnerError

ATTEMPTS = 6
LONGEST_WAIT_S = 30.0
T = TypeVar("T")
Json = Any  # decoded JSON


class Money(msgspec.Struct, frozen=True):
    amount: int  # minor units
    currency: str


class Slots(msgspec.Struct, frozen=True):
    open: int
    claimed: int
    done: int


class Task(msgspec.Struct, frozen=True):
    """The fee is the market's, for each observation; held is what the task still has set aside."""

    id: str
    status: str
    reward: Money
    price_now: Money
    held: Money
    fee: Money
    quantity: int
    slots: Slots
    external_id: str | None = None


class Submission(msgspec.Struct, frozen=True):
    id: str
    task_id: str
    status: str
    answers: dict[str, Any] = {}
    verdict: dict[str, Any] | None = None


class Subject(msgspec.Struct, frozen=True):
    type: str
    id: str


class Event(msgspec.Struct, frozen=True):
    id: str
    type: str
    subject: Subject
    data: dict[str, Any] = {}


class Dataset(msgspec.Struct, frozen=True):
    id: str
    status: str
    rows: int | None = None
    manifest_sha256: str | None = None
    licenses: list[str] = []


class Photo(msgspec.Struct, frozen=True):
    n: int
    sha256: str
    url: str
    media_type: str = "image/jpeg"


class ManifestItem(msgspec.Struct, frozen=True):
    observation_id: str
    photos: list[Photo]
    answers: dict[str, Any] = {}
    task_external_id: str | None = None
    person: str | None = None


class Problem(RunnerError):
    """The market refused: an RFC 9457 problem. `slug` is the last part of its type."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(body.get("type", "about:blank"))
        self.slug = self.type.rstrip("/").rsplit("/", 1)[-1]
        self.title = str(body.get("title", f"HTTP {status}"))
        self.detail = str(body.get("detail", ""))
        self.errors: list[dict[str, Any]] = list(body.get("errors") or [])
        fields = "; ".join(f"{error.get('pointer')}: {error.get('detail')}" for error in self.errors)
        super().__init__(" · ".join(part for part in (self.title, self.detail, fields) if part))


class MarketClient:
    """One account's key against one server. Thread-safe as far as httpx is; close it, or use it in a `with`."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_s: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._sleep = sleep
        self.base_url = base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}", "Accept": "application/json, application/problem+json"}
        self._http = httpx.Client(base_url=self.base_url, headers=headers, timeout=timeout_s, transport=transport)

    def __enter__(self) -> MarketClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def account(self) -> Json:
        return self._json("GET", "/v1/account")

    def post_task(self, draft: Mapping[str, Any], key: str | None = None) -> Task:
        return _typed(self._json("POST", "/v1/tasks", body=draft, key=key or new_key()), Task)

    def post_tasks(self, drafts: Sequence[Mapping[str, Any]], key: str | None = None) -> list[Task | Problem]:
        """At most 500 drafts, each judged alone: its task, or the problem that refused it, in order."""
        answer = self._json("POST", "/v1/tasks/batch", body={"tasks": list(drafts)}, key=key or new_key())
        return [_batch_result(entry) for entry in answer["results"]]

    def task(self, task_id: str) -> Task:
        return _typed(self._json("GET", f"/v1/tasks/{task_id}"), Task)

    def tasks(self, **filters: str) -> Iterator[Task]:
        return (_typed(item, Task) for item in self._pages("/v1/tasks", filters))

    def cancel_task(self, task_id: str, key: str | None = None) -> Task:
        return _typed(self._json("POST", f"/v1/tasks/{task_id}/cancel", body={}, key=key or new_key()), Task)

    def submissions(self, task_id: str) -> Iterator[Submission]:
        return (_typed(item, Submission) for item in self._pages(f"/v1/tasks/{task_id}/submissions", {}))

    def submission(self, submission_id: str) -> Submission:
        return _typed(self._json("GET", f"/v1/submissions/{submission_id}"), Submission)

    def accept(self, submission_id: str) -> Submission:
        """Idempotent by itself: the key is the submission's id."""
        path = f"/v1/submissions/{submission_id}/accept"
        return _typed(self._json("POST", path, body={}, key=f"accept-{submission_id}"), Submission)

    def reject(self, submission_id: str, failed_check: str, comment: str) -> Submission:
        body = {"failed_check": failed_check, "comment": comment}
        path = f"/v1/submissions/{submission_id}/reject"
        return _typed(self._json("POST", path, body=body, key=f"reject-{submission_id}"), Submission)

    def events(self, after: str | None, wait_s: int = 20) -> list[Event]:
        """The next events after an id (None: from the first), at most one page; waits up to wait_s for one."""
        query = {"wait_s": str(wait_s), "limit": "200", **({"after": after} if after else {})}
        answer = self._json("GET", "/v1/events", query=query, timeout_s=wait_s + 30.0)
        return [_typed(item, Event) for item in answer["items"]]

    def observations(self, **filters: str) -> Iterator[Json]:
        return self._pages("/v1/observations", filters)

    def make_dataset(self, request: Mapping[str, Any], key: str | None = None) -> Dataset:
        """request: {"observation_ids": [...]} or {"query": {...}}."""
        answer = self._json("POST", "/v1/datasets", body=request, key=key or new_key())
        return _typed(answer, Dataset)

    def dataset(self, dataset_id: str) -> Dataset:
        return _typed(self._json("GET", f"/v1/datasets/{dataset_id}"), Dataset)

    def wait_for_dataset(self, dataset_id: str, timeout_s: float = 300.0) -> Dataset:
        """The dataset once it is ready; RunnerError when it failed or takes longer than timeout_s."""
        give_up = time.monotonic() + timeout_s
        while True:
            dataset = self.dataset(dataset_id)
            if dataset.status == "ready":
                return dataset
            if dataset.status == "failed" or time.monotonic() > give_up:
                raise RunnerError(f"dataset {dataset_id} is {dataset.status} and will not be used")
            self._sleep(0.5)

    def dataset_files(self, dataset_id: str) -> Iterator[ManifestItem]:
        return (_typed(item, ManifestItem) for item in self._pages(f"/v1/datasets/{dataset_id}/files", {}))

    def download(self, url: str) -> bytes:
        """The bytes behind a link of the API: relative, on this server, or (presigned) elsewhere without our key."""
        absolute = httpx.URL(self.base_url + "/").join(url)
        ours = (absolute.scheme, absolute.host, absolute.port)
        base = httpx.URL(self.base_url)
        if ours == (base.scheme, base.host, base.port):
            return self._send("GET", str(absolute)).content
        with httpx.Client(timeout=60.0) as stranger:
            return stranger.get(absolute).raise_for_status().content

    def publish_model(self, model: Mapping[str, Any], onnx: bytes, weights: bytes, card: str, key: str) -> Json:
        files = {
            "model": (None, json.dumps(model).encode()),
            "onnx": ("model.onnx", onnx, "application/octet-stream"),
            "weights": ("model.safetensors", weights, "application/octet-stream"),
            "card": ("card.md", card.encode(), "text/markdown"),
        }
        return self._send("POST", "/v1/models", files=files, key=key).json()

    def predict(self, model_id: str, photos: Sequence[bytes]) -> Json:
        files = [("files", (f"{n}.bin", photo, "application/octet-stream")) for n, photo in enumerate(photos)]
        return self._send("POST", f"/v1/models/{model_id}/predict", files=files).json()

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        key: str | None = None,
        timeout_s: float | None = None,
    ) -> Json:
        return self._send(method, path, query=query, body=body, key=key, timeout_s=timeout_s).json()

    def _pages(self, path: str, filters: Mapping[str, str]) -> Iterator[Json]:
        query = {"limit": "200", **filters}
        while True:
            answer = self._json("GET", path, query=query)
            yield from answer["items"]
            if not answer.get("next_cursor"):
                return
            query = {**query, "cursor": answer["next_cursor"]}

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        files: Any = None,
        key: str | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """One request, repeated with the same idempotency key while the server is away, busy or limiting us.

        A POST without a key is not repeated after the connection broke: it may have been carried out.
        """
        headers = {"Idempotency-Key": key} if key else {}
        repeatable = method == "GET" or key is not None
        options: dict[str, Any] = {"params": query, "json": body, "files": files, "headers": headers}
        if timeout_s is not None:
            options["timeout"] = timeout_s
        for attempt in range(1, ATTEMPTS + 1):
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError as problem:
                unsent = isinstance(problem, httpx.ConnectError)
                if attempt == ATTEMPTS or not (repeatable or unsent):
                    raise RunnerError(f"the market at {self.base_url} cannot be reached: {problem}") from problem
                self._sleep(min(LONGEST_WAIT_S, 0.2 * 2**attempt))
                continue
            if response.is_success:
                return response
            failure = _problem(response)
            again = response.status_code in (429, 503) or (repeatable and failure.slug == "in-flight")
            if not again or attempt == ATTEMPTS:
                raise failure
            self._sleep(_retry_after(response, 0.2 * 2**attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")


def from_environment(server: str | None = None) -> MarketClient:
    """SENSORIUM_URL (or `server`) and SENSORIUM_API_KEY, or SENSORIUM_API_KEY_FILE; a clear line when one is absent."""
    url = server or os.environ.get("SENSORIUM_URL")
    key = os.environ.get("SENSORIUM_API_KEY")
    key_file = os.environ.get("SENSORIUM_API_KEY_FILE")
    if key is None and key_file:
        try:
            with open(key_file, encoding="utf-8") as secret:
                key = secret.read().strip()
        except OSError as problem:
            raise RunnerError(f"SENSORIUM_API_KEY_FILE cannot be read: {problem}") from problem
    if not url or not key:
        raise RunnerError("set SENSORIUM_URL (or --server) and SENSORIUM_API_KEY (or SENSORIUM_API_KEY_FILE)")
    return MarketClient(url, key)


def new_key() -> str:
    return uuid.uuid4().hex


def _typed(value: Json, kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as problem:
        raise RunnerError(
            f"the market answered with a {kind.__name__.lower()} of another shape: {problem}"
        ) from problem


def _batch_result(entry: Json) -> Task | Problem:
    if entry.get("task") is not None:
        return _typed(entry["task"], Task)
    return Problem(int(entry.get("status", 422)), entry.get("problem") or {})


def _problem(response: httpx.Response) -> Problem:
    try:
        body = response.json()
    except ValueError:
        body = {}
    return Problem(response.status_code, body if isinstance(body, dict) else {})


def _retry_after(response: httpx.Response, otherwise: float) -> float:
    try:
        wait = float(response.headers.get("Retry-After", otherwise))
    except ValueError:
        wait = otherwise
    return min(LONGEST_WAIT_S, max(0.0, wait))
