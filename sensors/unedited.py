"""Is the picture as the camera wrote it: signed provenance, editors' names, the small copy in EXIF, how it was saved.

A file without any of this is what browsers and phones send, so absence never counts against anyone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sensors.evidence import Camera, Photo
from sensors.inspection import Inspection, Provenance
from sensors.verdict import Check, Status, finding
from sensors.weights import log_odds

EDITORS: Final = re.compile(
    r"\b(adobe|photoshop|lightroom|gimp|snapseed|picsart|facetune|facetune2|faceapp|affinity|pixelmator|paint\.?net|"
    r"paint ?shop|photopea|canva|vsco|pixlr|luminar|capture one|darktable|rawtherapee|acdsee|photoscape|polarr|remini|"
    r"meitu|beautyplus|youcam|airbrush|lensa|photoroom|inshot|imagemagick|graphicsmagick|irfanview|xnview|faststone|"
    r"photofiltre|corel|krita|fotor|befunky|touchretouch|prisma|midjourney|dall-e|stable diffusion|comfyui|firefly)\b",
    re.IGNORECASE,
)
"""Names of programs that change pictures, as they write themselves into Software. Whole words: a camera's firmware
("Nikon Transfer 1.1 W", "HDR+ 1.0", "SIGMA Photo Pro") must not match."""
EDITS: Final = frozenset(
    f"c2pa.{name}"
    for name in (
        "edited", "color_adjustments", "cropped", "drawing", "filtered", "placed", "removed", "redacted", "enhanced",
        "adjustedColor",
    )
)  # fmt: skip
"""Actions that change what is seen (C2PA 2.1, table of actions). Opening, resizing, turning, transcoding do not."""
THUMBNAIL_DIFFERS: Final = 0.1
"""Of 0 to 2; 36 of 36 unedited samples lie below 0.03, and a picture cut by 10 % on each side above."""
LIKELY: Final = 0.008
"""Nats a coefficient, see sensors/recompression.py; `python -m tests.bench edits` measures what lies above."""
ROUNDED: Final = 16
"""Pixels by which a size may differ from what the camera noted: some note the size before padding to whole blocks."""
MIN_PHOTOS: Final = 20
MIN_PEOPLE: Final = 3
MAX_LONE: Final = 0.1
"""A camera that seldom writes the same tables twice has no tables of its own (Good-Turing: the share of people with
tables that nobody else has is about the chance that the next person's are new as well)."""


class Doubt(NamedTuple):
    """One thing that does not fit: how grave, in words for the person, numbers for machines."""

    status: Status
    detail: str
    data: dict[str, Any]


def _of_provenance(found: Provenance) -> list[Doubt]:
    data = {"c2pa": found.state, "c2pa_codes": found.codes, "c2pa_generator": found.generator}
    if found.state == "invalid":
        return [Doubt("fail", "was changed after its signed record of origin (C2PA) was made", data)]
    doubts = []
    if found.generated:
        doubts.append(Doubt("warn", "says in its signed record that a model or a program made it", data))
    edits = [each for each in found.actions if each in EDITS]
    if edits:
        doubts.append(Doubt("warn", "says in its signed record that it was edited", data | {"c2pa_actions": edits}))
    return doubts


def _of_exif(seen: Inspection) -> list[Doubt]:
    doubts = []
    editor = EDITORS.search(seen.exif.software or "")
    if editor is not None:
        doubts.append(Doubt("warn", f"was saved by {seen.exif.software}", {"software": seen.exif.software}))
    if seen.thumbnail_distance is not None and seen.thumbnail_distance > THUMBNAIL_DIFFERS:
        told = "does not look like the small copy that the camera put into it"
        doubts.append(Doubt("warn", told, {"thumbnail_distance": seen.thumbnail_distance}))
    declared, real = sorted((seen.exif.width or 0, seen.exif.height or 0)), sorted((seen.width, seen.height))
    if declared[0] and max(abs(one - other) for one, other in zip(declared, real, strict=True)) > ROUNDED:
        told = "has another size than the camera wrote into it"
        doubts.append(Doubt("warn", told, {"declared_size": declared, "size": real}))
    return doubts


def camera_of(seen: Inspection) -> tuple[str, str] | None:
    """Make and model as the file claims them, None without both."""
    make, model = seen.exif.make, seen.exif.model
    return (make, model) if make and model else None


def unlike_camera(seen: Inspection, cameras: Sequence[Camera]) -> bool:
    """Whether the claimed camera is well known, and is not known to write these quantisation tables."""
    known = next((each for each in cameras if (each.make, each.model) == camera_of(seen)), None)
    if known is None or seen.jpeg is None:
        return False
    lone = max(0, known.lone - 1)  # one of them may be there only to spoil it
    settled = known.photos >= MIN_PHOTOS and known.people >= MIN_PEOPLE and lone <= MAX_LONE * known.people
    return settled and seen.jpeg.tables not in known.tables


def _of_jpeg(seen: Inspection, cameras: Sequence[Camera]) -> list[Doubt]:
    doubts = []
    if seen.recompression is not None and seen.recompression > LIKELY:
        told = "seems to have been saved twice"
        doubts.append(Doubt("warn", told, {"recompression": seen.recompression}))
    if seen.jpeg is not None and unlike_camera(seen, cameras):
        told = f"was not saved as a {seen.exif.model} saves its photos"
        doubts.append(Doubt("warn", told, {"tables": seen.jpeg.tables, "quality": seen.jpeg.quality}))
    return doubts


def doubts_about(seen: Inspection, cameras: Sequence[Camera]) -> list[Doubt]:
    """Everything that does not fit about one picture."""
    return [*_of_provenance(seen.provenance), *_of_exif(seen), *_of_jpeg(seen, cameras)]


def _vouched(photos: list[Photo]) -> Check:
    issuers = sorted({photo.inspection.provenance.issuer or "?" for photo in photos if photo.inspection is not None})
    return Check(
        name="unedited",
        status="pass",
        weight=log_odds("unedited", "trusted"),
        detail=f"Signed by a trusted maker ({', '.join(issuers)}) and unchanged since.",
        data={"c2pa": "trusted", "issuers": issuers},
    )


def unedited(photos: list[Photo], cameras: Sequence[Camera] = ()) -> Check:
    """One finding for all photos: the gravest, with every doubt. Only a trusted signature on each earns credit."""
    seen = [(photo.n, photo.inspection) for photo in photos if photo.inspection is not None]
    if not seen:
        return finding("unedited", "not_applicable", "There is no photo to look at.")
    found = [(n, doubt) for n, inspection in seen for doubt in doubts_about(inspection, cameras)]
    if not found:
        if len(seen) == len(photos) and all(each.provenance.state == "trusted" for _, each in seen):
            return _vouched(photos)
        # What lies elsewhere or cannot be read proves nothing, and is told.
        states = sorted({each.provenance.state for _, each in seen} - {"none"})
        data = {"c2pa": states[0] if len(states) == 1 else states} if states else {}
        return finding("unedited", "pass", "Nothing says that the photos were edited.", **data)
    status: Status = "fail" if any(doubt.status == "fail" for _, doubt in found) else "warn"
    chosen = [(n, doubt) for n, doubt in found if doubt.status == status]
    sentences = " ".join(f"Photo {n} {doubt.detail}." for n, doubt in chosen)
    details = [{"photo": n} | doubt.data for n, doubt in chosen]
    return finding("unedited", status, sentences, **(details[0] if len(details) == 1 else {"each": details}))
