"""A place in a list that goes by deadline: what still waits first, of that what is due soonest."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from market.errors import Invalid


class Urgency(NamedTuple):
    """over: nothing waits for anybody any more · due: until when; None: no day is set, so it comes last."""

    over: bool
    due: datetime | None
    id: UUID

    def __str__(self) -> str:
        due = "infinity" if self.due is None else self.due.astimezone(UTC).isoformat()
        return f"{int(self.over)} {due} {self.id}"


class After(NamedTuple):
    """The place after which a list goes on, as SQL takes it; all None: from its beginning."""

    over: bool | None
    due: str | None
    id: UUID | None


def after(place: str | None) -> After:
    """Where a list goes on after the `Urgency` that was written down. Raises Invalid for what is none."""
    if place is None:
        return After(None, None, None)
    over, _, rest = place.partition(" ")
    due, _, id = rest.partition(" ")
    try:
        if over not in ("0", "1"):
            raise ValueError
        if due != "infinity":
            at = datetime.fromisoformat(due)
            if at.tzinfo is None or not 1900 <= at.year < 3000:
                raise ValueError
        return After(over == "1", due, UUID(id))
    except ValueError:
        raise Invalid("This is no cursor of this list.", pointer="/cursor") from None
