"""A vision-language endpoint on loopback that speaks both protocols; what its model says, each test decides."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import msgspec
import numpy as np
from PIL import Image

from app.config import Config

KEY = "sk-vision-0123456789-secret"
MODEL = "seer-1"
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
BAKERY = "Is a bakery's shop front visible?"

Json = dict[str, Any]


@dataclass
class Heard:
    """One request as the protocol has it: its headers, the picture's bytes, the code and both questions."""

    headers: dict[str, str]
    body: Json
    picture: bytes
    code: str
    questions: list[str]


@dataclass
class Reply:
    """What goes back over the wire, to the letter. drip_s: the pause before each byte of the body."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    drip_s: float = 0.0
    length: bool = True


Mind = Callable[[Heard], "str | Reply"]


def one(shows: bool | None, confidence: float = 0.9, reason: str = "As seen.") -> Json:
    return {"shows": shows, "confidence": confidence, "reason": reason}


def answers(heard: Heard, wanted: Json, control: Json | None = None, code: str | None = None) -> str:
    """The JSON of a model that keeps to the form: the buyer's question first or second, as it was asked."""
    said = [wanted if each == BAKERY else control or one(False) for each in heard.questions]
    return json.dumps({"code": code or heard.code, "answers": said})


def honest(heard: Heard) -> str:
    """A model that takes every bright picture for a bakery."""
    bright = float(np.asarray(Image.open(BytesIO(heard.picture)).convert("L")).mean()) > 128
    return answers(heard, one(bright))


class VisionServer:
    """Serves one protocol on a free port."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.heard: list[Heard] = []
        self.mind: Mind = honest
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATHS[self.protocol]}"

    def configured(self, config: Config, **changes: Any) -> Config:
        """The service's configuration with this endpoint in it."""
        named = {
            "shows_protocol": self.protocol, "shows_url": self.url, "shows_key": KEY, "shows_model": MODEL,
            "shows_timeout_s": 2,
        }  # fmt: skip
        return msgspec.structs.replace(config, **{**named, **changes})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while (line := await reader.readline()).strip():
                method, path, _ = line.decode().split()
                headers: dict[str, str] = {}
                while (header := await reader.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                assert (method, path) == ("POST", PATHS[self.protocol])
                heard = self._read(headers, json.loads(body))
                self.heard.append(heard)
                said = self.mind(heard)
                await self._write(writer, said if isinstance(said, Reply) else self._envelope(said))
        writer.close()

    def _read(self, headers: dict[str, str], body: Json) -> Heard:
        if self.protocol == "openai":
            assert headers["authorization"] == f"Bearer {KEY}"
            assert [each["role"] for each in body["messages"]] == ["system", "user"]
            image, text = body["messages"][1]["content"]
            kind, _, data = image["image_url"]["url"].partition(";base64,")
            assert (image["type"], kind, text["type"]) == ("image_url", "data:image/jpeg", "text")
            assert body["max_completion_tokens"] > 0 and body["response_format"]["type"] == "json_schema"
        else:
            assert headers["x-api-key"] == KEY and headers["anthropic-version"] == "2023-06-01"
            assert [each["role"] for each in body["messages"]] == ["user"] and body["system"]
            image, text = body["messages"][0]["content"]
            source = image["source"]
            assert (source["type"], source["media_type"], text["type"]) == ("base64", "image/jpeg", "text")
            assert body["max_tokens"] > 0
            data = source["data"]
        assert body["model"] == MODEL
        code = re.findall(r"^Code: (\w+)$", text["text"], re.M)
        questions = [json.loads(each) for each in re.findall(r"^Question \d: (.*)$", text["text"], re.M)]
        assert len(code) == 1 and len(questions) == 2
        return Heard(headers, body, b64decode(data), code[0], questions)

    def _envelope(self, text: str) -> Reply:
        if self.protocol == "openai":
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            whole: Json = {"id": "c-1", "object": "chat.completion", "choices": [choice], "usage": {"total_tokens": 9}}
        else:
            block = {"type": "text", "text": text}
            whole = {"id": "m-1", "type": "message", "role": "assistant", "content": [block], "stop_reason": "end_turn"}
        return Reply(json.dumps(whole).encode())

    async def _write(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        headers = {**reply.headers, **({"content-length": str(len(reply.body))} if reply.length else {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {reply.status} Said\r\n{head}\r\n".encode())
        if reply.drip_s:
            for byte in reply.body:
                await asyncio.sleep(reply.drip_s)
                writer.write(bytes([byte]))
                await writer.drain()
        else:
            writer.write(reply.body)
            await writer.drain()
        if not reply.length:
            writer.close()


@asynccontextmanager
async def vision_server(protocol: str) -> AsyncIterator[VisionServer]:
    """One that listens, until the block ends."""
    found = VisionServer(protocol)
    listening = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = listening.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        listening.close()
