"""A phone as its app would be: it holds a P-256 key, signs as WebCrypto does, moves as a hand does, and takes bursts.

`key` never leaves it. Whatever a test wants altered is altered after the signature, by name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np

from tests.app.conftest import BAKERY, Caller, Json, ok, picture
from tests.hands import hand
from tests.keys import Key, base64url, sha256


async def enrol(
    owner: Caller, key: Key, *, signer: Key | None = None, person: str = "", **given: Any
) -> httpx.Response:
    """Ask for a device with this key; signer and person: what the proof says, where it is not the truth."""
    draft = {"name": "Pixel", "kind": "phone", "public_key": base64url(key.point), **given}
    body = json.dumps(draft).encode()
    proof = f"sensorium device 1\n{person or owner.id}\n{sha256(body)}".encode()
    headers = {
        "content-type": "application/json",
        "device-signature": base64url((signer or key).sign(proof)),
    }
    return await owner.post("/v1/devices", content=body, headers=headers)


@dataclass
class Phone:
    """Bo's phone, enrolled, with whatever the app of a good one sends."""

    owner: Caller
    id: str
    key: Key
    random: np.random.Generator

    async def motion(self, claimed: Json, body: bytes, n: int = 1) -> httpx.Response:
        headers = {"content-type": "application/json"}
        return await self.owner.put(f"/v1/people/claims/{claimed['id']}/photos/{n}/motion", body, headers=headers)

    async def frame(self, claimed: Json, k: int, content: bytes, n: int = 1) -> httpx.Response:
        headers = {"content-type": "image/jpeg"}
        return await self.owner.put(
            f"/v1/people/claims/{claimed['id']}/photos/{n}/frames/{k}", content, headers=headers
        )

    def stated(self, claimed: Json, content: bytes, *, n: int = 1, **changes: Any) -> Json:
        """The statement of a capture just taken at the bakery."""
        fix = {"lat": round(BAKERY["lat"] + self.random.normal(0, 5e-5), 7)}
        fix["lon"] = round(BAKERY["lon"] + self.random.normal(0, 5e-5), 7)
        fix["accuracy_m"] = round(float(self.random.uniform(4, 18)), 3)
        now = datetime.now(UTC)
        return {
            "v": 1, "claim": claimed["id"], "n": n, "nonce": claimed["challenge"]["nonce"],
            "photo_sha256": sha256(content), "taken_at": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
            **fix, "heading": None, "motion_sha256": None, "frames_sha256": [], "device": self.id, **changes,
        }  # fmt: skip

    async def capture(
        self,
        claimed: Json,
        content: bytes | None = None,
        *,
        n: int = 1,
        moved: bytes | None = None,
        frames: int | list[bytes] = 0,
        camera: Json | None = None,
        altered: Json | None = None,
        sent: bytes | None = None,
        **stated: Any,
    ) -> Json:
        """Take, sign and upload photo `n`; the header that was sent.

        moved: another record of motion than a hand's; frames: the burst's JPEGs, or how many of nothing; stated:
        other values before signing, altered: after it; sent: other bytes than were signed.
        """
        content = picture(int(self.random.integers(1, 2**31))) if content is None else content
        moved = hand(self.random) if moved is None else moved
        if isinstance(frames, int):
            frames = [picture(int(self.random.integers(1, 2**31)), size=(320, 240)) for _ in range(frames)]
        if moved:
            ok(await self.motion(claimed, moved, n))
        for k, each in enumerate(frames, start=1):
            ok(await self.frame(claimed, k, each, n))
        named = [sha256(each) for each in frames]
        belongs = {"motion_sha256": sha256(moved) if moved else None, "frames_sha256": named}
        statement = self.stated(claimed, content, n=n, **{**belongs, **stated})
        size = {"width": 640, "height": 480}
        seen = {"label": "camera2 0, facing back", "facing": "environment", **size, **(camera or {})}
        header = {**statement, "signature": self.key.sign_capture(statement), "camera": seen, **(altered or {})}
        ok(await self.upload(claimed, content if sent is None else sent, header, n=n))
        return header

    async def upload(self, claimed: Json, content: bytes, header: Json, *, n: int = 1) -> httpx.Response:
        """Put a photo with this Capture header, as it is."""
        shown = {name: value for name, value in header.items() if value is not None}
        headers = {"content-type": "image/jpeg", "capture": json.dumps(shown)}
        return await self.owner.put(f"/v1/people/claims/{claimed['id']}/photos/{n}", content, headers=headers)


async def phone(owner: Caller, seed: int = 1) -> Phone:
    """A phone whose key its owner has enrolled."""
    key = Key()
    enrolled = ok(await enrol(owner, key), 201)
    return Phone(owner, enrolled["id"], key, np.random.default_rng(seed))
