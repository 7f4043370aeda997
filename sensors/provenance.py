"""Signed provenance (C2PA): does a manifest in the file hold, who signed it, and what does it say was done?

The validator (c2pa-python) fetches nothing: manifests that lie elsewhere are unreadable, and nobody's revocation list
is asked. It is native code that reads strangers' bytes, so app/ runs this in a child process that may die.
"""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any, Final

import c2pa
import msgspec

from sensors.inspection import Provenance
from sensors.jpeg import Header
from sensors.unedited import EDITS

MAX_MANIFEST_BYTES: Final = 2_000_000
"""Real ones hold some thumbnails, up to about 0.5 MB. What the validator does grows with what it is given."""
MAX_MANIFESTS: Final = 200
MAX_PIECES: Final = 20_000
"""Chunks or boxes of a file that are looked through."""
MOST: Final = 20
_MAX_TEXT: Final = 100
_BOX_ID: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""The extended type of the box that holds C2PA manifests in ISO media files (C2PA 2.1, A.3.2)."""
_GENERATED: Final = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia")
_context: c2pa.Context | None = None


class BadAnchors(ValueError):
    """The trust anchors are no certificates that the validator takes."""


def load(anchors: str = "") -> None:
    """Make the validator ready. anchors: PEM certificates whose signers are trusted, "" for none. Raises BadAnchors."""
    global _context
    settings: dict[str, Any] = {
        "version": 1,
        "verify": {"verify_after_reading": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    }
    if anchors:
        settings["trust"] = {"user_anchors": anchors}
    try:
        _context = c2pa.Context.from_dict(settings)
    except c2pa.C2paError as error:
        raise BadAnchors(str(error)) from error


def _png_manifest(data: bytes) -> int:
    place = 8
    for _ in range(MAX_PIECES):
        if place + 12 > len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"caBX":
            return int(length)
        place += 12 + length
    return 0


def _webp_manifest(data: bytes) -> int:
    place = 12
    for _ in range(MAX_PIECES):
        if place + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sI", data, place)
        if kind == b"C2PA":
            return int(length)
        place += 8 + length + (length & 1)
    return 0


def _box_manifest(data: bytes) -> int:
    place = 0
    for _ in range(MAX_PIECES):
        if place + 24 > len(data):
            break
        size, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"uuid" and data[place + 8 : place + 24] == _BOX_ID:
            return int(size)
        if size == 1:
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        if size < 8:
            return 0
        place += size
    return 0


def _jpeg_manifest(data: bytes, header: Header | None) -> int:
    if header is None:
        return 0
    if header.manifest:
        return max(header.manifest_bytes, 1)
    # It may lie elsewhere and only be pointed to.
    return 1 if b"dcterms:provenance" in header.xmp else 0


def manifest_bytes(data: bytes, media_type: str, header: Header | None) -> int:
    """About how large the manifest in the file is, 0 without one. Costs no more than a walk along the file's parts."""
    if media_type == "image/jpeg":
        return _jpeg_manifest(data, header)
    walks = {"image/png": _png_manifest, "image/webp": _webp_manifest, "image/heic": _box_manifest}
    return walks[media_type](data)


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return "".join(letter for letter in value if letter.isprintable())[:_MAX_TEXT] or None


def _list(value: object) -> list[dict[str, Any]]:
    """The objects in what should be a list of them."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for assertion in _list(manifest.get("assertions")):
        data = assertion.get("data")
        if str(assertion.get("label", "")).startswith("c2pa.actions") and isinstance(data, dict):
            found += _list(data.get("actions"))
    return found


def _is_generated(action: dict[str, Any]) -> bool:
    return str(action.get("digitalSourceType", "")).rsplit("/", 1)[-1] in _GENERATED


def _described(manifests: dict[str, Any], active: dict[str, Any]) -> tuple[list[str], bool]:
    """The actions of all manifests in the chain, and whether any says that a trained model made it."""
    actions = [
        action
        for manifest in [active, *manifests.values()][:MAX_MANIFESTS]
        if isinstance(manifest, dict)
        for action in _actions(manifest)
    ]
    names = dict.fromkeys(name for action in actions if (name := _text(action.get("action"))))
    # The telling ones first: what is cut off must not be what matters.
    ordered = sorted(names, key=lambda name: name not in EDITS)
    return ordered[:MOST], any(_is_generated(action) for action in actions)


def _summary(reader: c2pa.Reader) -> Provenance:
    state = str(reader.get_validation_state()).lower()
    if state not in ("trusted", "valid", "invalid"):
        return Provenance(state="unreadable", problem=_text(f"unknown state {state}"))
    results = reader.get_validation_results() or {}
    failures = _list((results.get("activeManifest") or {}).get("failure"))
    for delta in _list(results.get("ingredientDeltas")):
        failures += _list((delta.get("validationDeltas") or {}).get("failure"))
    manifests = msgspec.json.decode(reader.json()).get("manifests") or {}
    active = reader.get_active_manifest() or {}
    actions, generated = _described(manifests, active)
    signature = active.get("signature_info") or {}
    generators = _list(active.get("claim_generator_info"))
    return Provenance(
        state=state,  # type: ignore[arg-type]
        codes=list(dict.fromkeys(code for each in failures if (code := _text(each.get("code")))))[:MOST],
        generator=_text(active.get("claim_generator")) or (_text(generators[0].get("name")) if generators else None),
        issuer=_text(signature.get("issuer")) or _text(signature.get("common_name")),
        signed_at=_text(signature.get("time")),
        actions=actions,
        generated=generated,
    )


def read_provenance(data: bytes, media_type: str, header: Header | None = None) -> Provenance:
    """What the C2PA manifest of a picture says. header: that of a JPEG. Never raises; what cannot be read says so."""
    size = manifest_bytes(data, media_type, header)
    if not size:
        return Provenance()
    if size > MAX_MANIFEST_BYTES:
        return Provenance(state="unreadable", problem=f"The manifest has {size} bytes, more than are read.")
    if _context is None:
        load()
    try:
        with c2pa.Reader(media_type, BytesIO(data), context=_context) as reader:
            return _summary(reader)
    except Exception as error:
        reason = str(error)
        # A pointer to nowhere, or a box of another kind: there is no manifest.
        if reason.startswith("ManifestNotFound"):
            return Provenance()
        return Provenance(state="unreadable", problem=_text(reason))
