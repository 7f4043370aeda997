"""Numbers, times and checks in plain words."""

from datetime import UTC, datetime

import msgspec

from market.offers import Offer
from sensors.units import find_unit
from sensors.verdict import ALWAYS_DECLARED

CHECKS = {
    "complete": "Complete",
    "decodes": "Photos open",
    "answers": "Answers fit",
    "fresh": "Taken now",
    "at_place": "At the place",
    "live": "Live camera",
    "not_duplicate": "New",
    "quality": "Good picture",
    "shows": "What it shows",
    "unedited": "Not edited",
    "not_recaptured": "Not off a screen",
    "consistent": "Fits together",
    "before_after": "Before and after",
    "readings": "Plausible readings",
}
KINDS = {"photo": "Photo", "reading": "Measurement", "action": "Action", "answer": "Question"}
STATUS = {
    "checking": "Being checked",
    "needs_review": "With the buyer",
    "accepted": "Accepted",
    "rejected": "Not accepted",
    "disputed": "Disputed",
    "fix_up": "To be mended",
    "awarded": "Paid after an appeal",
    "active": "In progress",
    "submitted": "Handed in",
    "expired": "Time over",
    "released": "Given back",
    "pending": "Pending",
}
PAYOUTS = {
    "approved": "About to be sent",
    "sending": "On its way",
    "paid": "Sent",
    "returned": "Came back",
    "left_out": "Not sent",
}
EARNED = {
    "pending": "pending",
    "contested": "disputed by the buyer; it waits until somebody without a part in it has decided",
    "released": "payable",
    "paid": "paid",
    "clawed_back": "taken back, since it should not have been paid; the answer’s page says why",
}
BANK_PAYOUTS = {
    "pending": "Being prepared",
    "in_transit": "On its way",
    "paid": "Arrived",
    "failed": "Sent back",
    "canceled": "Called off",
}
FINDINGS = {"pass": "passed", "warn": "noted", "fail": "failed", "inconclusive": "undecided"}


MEASURED = {
    "pm25": "Fine particles (PM2.5)", "pm2_5": "Fine particles (PM2.5)", "pm2.5": "Fine particles (PM2.5)",
    "pm10": "Particles (PM10)", "pm1": "Finest particles (PM1)", "co2": "CO₂", "co": "Carbon monoxide",
    "no2": "Nitrogen dioxide", "o3": "Ozone", "so2": "Sulphur dioxide", "voc": "Volatile organic compounds", "ph": "pH",
    "rh": "Relative humidity", "temp": "Temperature",
}  # fmt: skip
UNITS = {
    "Cel": "°C", "[degF]": "°F", "%RH": "% relative humidity", "ug/m3": "µg/m³", "mg/m3": "mg/m³", "kg/m3": "kg/m³",
    "uSv/h": "µSv/h", "uS/cm": "µS/cm", "m3/h": "m³/h", "W/m2": "W/m²", "deg": "°", "/": "parts of 1", "/100": "%",
    "/1000": "‰", "count": "number",
}  # fmt: skip


class Promise(msgspec.Struct, frozen=True):
    """One check that will be made: its short name, and what it takes to pass."""

    name: str
    title: str
    detail: str


def promises(offer: Offer) -> list[Promise]:
    """Every check that may reject an answer to this task, in words."""
    evidence = offer.evidence
    asked = {"decodes": evidence.photos is not None, "answers": bool(evidence.questions)}
    names = [name for name in (*ALWAYS_DECLARED, *offer.acceptance.declared) if asked.get(name, True)]
    return [Promise(name, CHECKS[name], _takes(name, offer)) for name in dict.fromkeys(names)]


def _takes(name: str, offer: Offer) -> str:
    place = offer.place
    at = (
        "This task can be done anywhere."
        if place is None
        else f"You are within {metres(place.radius_m)} of the place, give or take your phone's own accuracy."
    )
    return {
        "complete": "Everything asked for is there: photos, readings and answers.",
        "decodes": "Each photo is a picture that can be opened (JPEG, PNG, WebP or HEIC).",
        "answers": "Each answer is one of those the question allows.",
        "fresh": "Each photo is taken after you claim the task and before your time is over.",
        "at_place": at,
        "live": "Each photo is taken with the camera on our page. Photos picked from your files do not pass.",
        "not_duplicate": "No photo has been sent before, by you or by anyone else.",
        "quality": " ".join(["Each photo is sharp and bright enough to see something.", *minima(offer)]),
        "shows": _shown(offer),
        "unedited": "No photo was changed after it was taken. A broken content credential fails; other signs of "
        "editing go to the buyer.",
        "not_recaptured": "Photos look like the scene itself, not like a screen or a print of it. This alone never "
        "rejects: in doubt the buyer looks.",
        "consistent": "Light, time, place and the kind of file fit together. This alone never rejects: in doubt the "
        "buyer looks.",
        "before_after": f"{_before(offer)} how it was before, taken {_work(offer)}before any of how it is after.",
        "readings": "Each reading is physically possible, in the unit asked, and measured during your claim.",
    }[name]


def minima(offer: Offer) -> list[str]:
    """The least that a photo must have, as the task declares it, whether or not it is rejected for that."""
    photos = offer.evidence.photos
    if photos is None:
        return []
    said = []
    sides = sorted(each for each in (photos.min_width, photos.min_height) if each)
    if len(sides) == 2:
        said.append(f"At least {sides[1]} × {sides[0]} pixels, held either way.")
    elif sides:
        said.append(f"At least {sides[0]} pixels on its longer side.")
    if photos.min_sharpness is not None:
        said.append(f"A sharpness of {photos.min_sharpness:g} or more: hold still, and let the camera focus.")
    if photos.min_brightness is not None:
        said.append(f"Not darker than {photos.min_brightness:.0%} of white on the whole.")
    if photos.max_brightness is not None:
        said.append(f"Not brighter than {photos.max_brightness:.0%} of white on the whole.")
    return said


def _before(offer: Offer) -> str:
    """The photos that show how it was, by their numbers, with their verb."""
    count = None if offer.evidence.photos is None else offer.evidence.photos.before
    return "Photo 1 shows" if count in (None, 1) else f"Photos 1 to {count} show"


def _work(offer: Offer) -> str:
    """How long before, where that is said."""
    seconds = None if offer.evidence.photos is None else offer.evidence.photos.work_s
    return "" if seconds is None else f"at least {duration(seconds)} "


def _shown(offer: Offer) -> str:
    """What a machine will look for in the photos, and where they go for it."""
    wanted = None if offer.evidence.photos is None else offer.evidence.photos.shows
    if wanted is None:
        return "A photo shows what was asked."
    never = "This alone never rejects: in doubt the buyer looks."
    if wanted.question is not None:
        return (
            f"A small copy of your photos, without its hidden data, is sent to a machine that is asked: "
            f"“{wanted.question}” {never}"
        )
    return f"At least one photo shows: {wanted.label}. A model of the buyer's looks at it here with us. {never}"


def asked_for(offer: Offer, *, each_photo: bool = False) -> list[str]:
    """The evidence that a task wants, one line a thing. each_photo: with how good each of them must be."""
    evidence, found = offer.evidence, []
    if evidence.photos is not None:
        least, most = evidence.photos.min, evidence.photos.max
        found.append(f"{least} photo{'s' * (most > 1)}" if least == most else f"{least} to {most} photos")
        if evidence.photos.before is not None:
            found[-1] += f", {evidence.photos.before} of them before you begin"
        if each_photo and (least_of_each := minima(offer)):
            found.append("Each photo: " + " ".join(least_of_each))
    for reading in evidence.readings:
        times = f", {reading.min_samples} times" if reading.min_samples > 1 else ""
        found.append(f"{measured(reading.name)} in {unit(reading.unit)}{times}")
    if evidence.questions:
        count = len(evidence.questions)
        found.append(f"{count} answer{'s' * (count > 1)}")
    return found


def spoken(name: str) -> str:
    """A field's name for people: `water_level` is Water level."""
    return name.replace("_", " ").capitalize()


def measured(name: str) -> str:
    """What is measured, for people: `pm25` is Fine particles (PM2.5), `soil_temperature` is Soil temperature."""
    return MEASURED.get(name.lower(), spoken(name))


def unit(symbol: str) -> str:
    """A unit as people write it: `ug/m3` is µg/m³, `Cel` is °C."""
    found = find_unit(symbol)
    return UNITS.get(symbol if found is None else found.symbol, symbol)


def metres(distance: float) -> str:
    """85 m, 1.2 km, 34 km."""
    if distance < 1000:
        return f"{distance:.0f} m"
    return f"{distance / 1000:.1f} km" if distance < 10_000 else f"{distance / 1000:.0f} km"


def span(seconds: float) -> str:
    """A duration in its largest fitting unit: 7 days, 1 hour, 30 minutes."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {unit}{'s' * (count != 1)}"
    return f"{seconds:.0f} seconds"


def duration(seconds: float) -> str:
    """A duration that somebody is held to, so exact to the second: 7 days, 1 hour 30 minutes, 45 seconds."""
    left, parts = round(seconds), []
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}{'s' * (count != 1)}")
    return " ".join(parts) or "0 seconds"


def position(lat: float, lon: float) -> str:
    """A place as its coordinates, to about a metre: 52.52000, 13.40500."""
    return f"{lat:.5f}, {lon:.5f}"


def moment(at: datetime) -> str:
    """3 Mar, 14:05 UTC. Scripts show the phone's own zone instead."""
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b, %H:%M} UTC"


def iso(at: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
