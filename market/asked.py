"""What an observation answers, without the answer: so that what is sold can be found, and what was bought be read."""

from typing import Any

import msgspec


class Asked(msgspec.Struct, frozen=True):
    """A question, or a reading (`text` is its unit)."""

    id: str
    type: str
    text: str


def asked_of(evidence: dict[str, Any]) -> list[Asked]:
    """What a task's evidence answers."""
    questions = [Asked(each["id"], each["type"], each.get("text", "")) for each in evidence.get("questions") or []]
    readings = [Asked(each["name"], "reading", each["unit"]) for each in evidence.get("readings") or []]
    return questions + readings


def matched_by(asks: list[Asked]) -> list[str]:
    """What two tasks that ask the same have in common: ids of questions, their texts, readings with their units."""
    found = set()
    for each in asks:
        if each.type == "reading":
            found.add(f"reading {each.id} {each.text}")
            continue
        found.add(f"id {each.id}")
        if each.text.strip():
            found.add(f"text {' '.join(each.text.lower().split())}")
    return sorted(found)
