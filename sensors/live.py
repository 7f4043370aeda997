"""Was it taken in the app for this claim: the claim's nonce, and where a device signed the capture, all that it signed.

Facts fail: another claim's nonce, a key that is not this person's, a signature that does not fit, anything that is not
as it was signed. Signals warn: no signature, no motion or one as no hand makes it, a camera that is a program.
"""

from __future__ import annotations

import re
from typing import Final

from sensors import motion
from sensors.evidence import Capture, Photo, PhotosAsked, Window
from sensors.freshness import SLACK
from sensors.parallax import agrees_with_motion
from sensors.statement import is_signed, statement
from sensors.verdict import Check, finding

PROGRAMS: Final = re.compile(
    r"\b(obs|manycam|droidcam|iriun|epoccam|ivcam|xsplit|vcam|webcamoid|akvcam|splitcam|sparkocam|youcam|mmhmm|camtwist|"
    r"chromacam|bandicam|e2esoft|v4l2loopback|loopback|fake|dummy|emulated|unity|snap camera|camo|nvidia broadcast|"
    r"screen capture)\b|virtual",
    re.IGNORECASE,
)
"""Words in the labels of cameras that are programs: each is the name of one, or what several call themselves."""


def live(asked: PhotosAsked | None, photos: list[Photo], window: Window) -> list[Check]:
    """One finding a photo, only where live capture was asked."""
    if asked is None or not asked.live_capture or not photos:
        return [finding("live", "not_applicable", "Photos need not be taken in the app.")]
    return [_judge(photo, window) for photo in photos]


def _judge(photo: Photo, window: Window) -> Check:
    capture = photo.capture
    if capture is None or capture.nonce is None:
        detail = f"Photo {photo.n} was not taken in the app. Take it with the app's camera."
        return finding("live", "fail", detail, photo=photo.n, fact="no nonce")
    if capture.nonce != window.nonce:
        detail = f"Photo {photo.n} was taken for another claim. Take a new one."
        return finding("live", "fail", detail, photo=photo.n, fact="nonce")
    if capture.signature is None:
        told = f"Photo {photo.n} was taken in the app, and no device has signed it."
        doubts = _camera(capture, photo)
        return finding("live", "warn", " ".join([told, *doubts]), photo=photo.n, signals=["unsigned", *doubts])
    wrong = _broken(capture, photo, window)
    if wrong is not None:
        fact, detail = wrong
        return finding("live", "fail", detail, photo=photo.n, fact=fact)
    doubts = _motion(capture, photo) + _camera(capture, photo)
    if doubts:
        told = f"Photo {photo.n} was taken and signed for this claim."
        return finding("live", "warn", " ".join([told, *doubts]), photo=photo.n, signals=doubts)
    return finding("live", "pass", f"Photo {photo.n} was taken in the app for this claim, and your device signed it.")


def _broken(capture: Capture, photo: Photo, window: Window) -> tuple[str, str] | None:
    """The first thing about a signed capture that is not as it was signed: (fact, in words); None when all is."""
    what = f"Photo {photo.n}"
    device = next((each for each in window.devices if each.id == capture.device), None)
    if device is None or not device.own:
        return "device", f"{what} is signed by a device that is not one of yours."
    if device.revoked_at is not None and device.revoked_at <= window.received_at:
        return "revoked", f"{what} is signed by a device whose key you have revoked."
    if not is_signed(statement(capture), capture.signature or "", device.public_key):
        return "signature", f"{what}: the signature does not fit what was sent. Something was altered after signing."
    if capture.claim != window.claim:
        return "claim", f"{what} was signed for another claim. Take a new one."
    if capture.n != photo.n:
        return "number", f"{what} was signed as photo {capture.n}. Take a new one."
    if photo.inspection is not None and capture.photo_sha256 != photo.inspection.sha256.hex():
        return "photo", f"{what} is not the picture that was signed."
    return _untimely(capture, what, window) or _swapped(capture, photo, what)


def _untimely(capture: Capture, what: str, window: Window) -> tuple[str, str] | None:
    if capture.taken_at is None:
        return "time", f"{what} was signed without the time it was taken."
    if not window.claimed_at - SLACK <= capture.taken_at <= min(window.expires_at, window.received_at) + SLACK:
        return "time", f"{what} was signed at a time outside your claim."
    return None


def _swapped(capture: Capture, photo: Photo, what: str) -> tuple[str, str] | None:
    """Motion and frames that came and are not those that were signed; what has not come is no fact."""
    moved = capture.motion_sha256
    if moved is not None and photo.motion is not None and motion.digest(photo.motion) != moved:
        return "motion", f"{what} came with another record of motion than was signed."
    came = {frame.k: frame.sha256.hex() for frame in photo.frames}
    for k, signed in enumerate(capture.frames_sha256, start=1):
        if came.get(k, signed) != signed:
            return "frames", f"{what} came with another frame {k} than was signed."
    return None


def _motion(capture: Capture, photo: Photo) -> list[str]:
    if capture.motion_sha256 is None or photo.motion is None:
        return ["There is no record of how the phone moved."]
    try:
        moved = motion.read(photo.motion)
    except motion.BadMotion:
        return ["The record of how the phone moved cannot be read."]
    told = [f"The record of how the phone moved {each}." for each in motion.oddities(moved)]
    if photo.parallax is not None and agrees_with_motion(photo.parallax, moved) is False:
        told.append("The pictures of the burst turned otherwise than the phone did.")
    return told + (["The phone moved exactly as in an earlier photo."] if photo.motion_repeated else [])


def _camera(capture: Capture, photo: Photo) -> list[str]:
    """Hints that a program, not a camera, gave the picture."""
    camera = capture.camera
    if camera is None:
        return []
    found = []
    if PROGRAMS.search(camera.label.replace("_", " ")):
        found.append("The camera's name is that of a program.")
    seen = photo.inspection
    if (
        seen is not None
        and None not in (camera.width, camera.height)
        and {camera.width, camera.height} != {seen.width, seen.height}
    ):
        found.append("The picture has another size than the camera gives.")
    return found
