"""What a device measures, as its owner declares it: quantities in known units, and how each sensor was calibrated."""

from __future__ import annotations

from typing import NamedTuple

from sensors.limits import find_named
from sensors.units import UNITS, find_unit


class Mistake(NamedTuple):
    """sensor: its index; field: `quantity` or `unit`; detail: what is wrong, in words."""

    sensor: int
    field: str
    detail: str


def mistakes(sensors: list[tuple[str, str]]) -> list[Mistake]:
    """What cannot be among a device's sensors, each (quantity, unit): unknown units, wrong dimensions, repetitions."""
    found = []
    seen: set[str] = set()
    for index, (quantity, symbol) in enumerate(sensors):
        unit, known = find_unit(symbol), find_named(quantity)
        name = quantity if known is None else known.name
        if unit is None:
            found.append(Mistake(index, "unit", f"The unit {symbol[:20]!r} is not known."))
        elif known is not None and UNITS[known.unit].dimension != unit.dimension:
            found.append(Mistake(index, "unit", f"{quantity} is measured in {known.unit}, not in {symbol}."))
        if name in seen:
            found.append(Mistake(index, "quantity", f"There is another sensor for {name}."))
        seen.add(name)
    return found
