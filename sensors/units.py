"""Units from an allow-list, each an affine map to its dimension's canonical unit. No unit expression is ever parsed.

Symbols follow the SenML registry (RFC 8428 section 12.1, RFC 8798) and UCUM where it has none.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Unit(NamedTuple):
    """canonical value = factor × value + offset, in the canonical unit of the dimension."""

    symbol: str
    dimension: str
    factor: float
    offset: float = 0.0


CANONICAL: Final = {
    "temperature": "Cel",
    "humidity": "%RH",
    "pressure": "hPa",
    "mass_concentration": "ug/m3",
    "amount_fraction": "ppm",
    "sound": "dB",
    "illuminance": "lx",
    "dose_rate": "uSv/h",
    "length": "m",
    "speed": "m/s",
    "voltage": "V",
    "current": "A",
    "power": "W",
    "energy": "Wh",
    "mass": "kg",
    "acidity": "pH",
    "conductivity": "uS/cm",
    "angle": "deg",
    "duration": "s",
    "ratio": "%",
    "count": "count",
    "volume_flow": "m3/h",
    "irradiance": "W/m2",
    "wavelength": "nm",
    "precipitation": "mm/h",
}

_ALL: Final = (
    Unit("Cel", "temperature", 1.0),
    Unit("K", "temperature", 1.0, -273.15),
    Unit("[degF]", "temperature", 5 / 9, -160 / 9),
    Unit("%RH", "humidity", 1.0),
    Unit("hPa", "pressure", 1.0),
    Unit("Pa", "pressure", 0.01),
    Unit("kPa", "pressure", 10.0),
    Unit("ug/m3", "mass_concentration", 1.0),
    Unit("mg/m3", "mass_concentration", 1000.0),
    Unit("kg/m3", "mass_concentration", 1e9),
    Unit("ppm", "amount_fraction", 1.0),
    Unit("ppb", "amount_fraction", 0.001),
    Unit("dB", "sound", 1.0),
    Unit("lx", "illuminance", 1.0),
    Unit("uSv/h", "dose_rate", 1.0),
    Unit("Sv/s", "dose_rate", 3.6e9),
    Unit("m", "length", 1.0),
    Unit("mm", "length", 0.001),
    Unit("cm", "length", 0.01),
    Unit("km", "length", 1000.0),
    Unit("m/s", "speed", 1.0),
    Unit("km/h", "speed", 1 / 3.6),
    Unit("V", "voltage", 1.0),
    Unit("mV", "voltage", 0.001),
    Unit("A", "current", 1.0),
    Unit("mA", "current", 0.001),
    Unit("W", "power", 1.0),
    Unit("kW", "power", 1000.0),
    Unit("Wh", "energy", 1.0),
    Unit("kWh", "energy", 1000.0),
    Unit("J", "energy", 1 / 3600),
    Unit("kg", "mass", 1.0),
    Unit("g", "mass", 0.001),
    Unit("pH", "acidity", 1.0),
    Unit("uS/cm", "conductivity", 1.0),
    Unit("S/m", "conductivity", 10_000.0),
    Unit("deg", "angle", 1.0),
    Unit("rad", "angle", 57.29577951308232),
    Unit("s", "duration", 1.0),
    Unit("ms", "duration", 0.001),
    Unit("min", "duration", 60.0),
    Unit("h", "duration", 3600.0),
    Unit("%", "ratio", 1.0),
    Unit("/", "ratio", 100.0),
    Unit("/100", "ratio", 1.0),
    Unit("/1000", "ratio", 0.1),
    Unit("count", "count", 1.0),
    Unit("m3/h", "volume_flow", 1.0),
    Unit("W/m2", "irradiance", 1.0),
    Unit("nm", "wavelength", 1.0),
    Unit("mm/h", "precipitation", 1.0),
)

_ALIASES: Final = {
    "°C": "Cel",
    "℃": "Cel",
    "degC": "Cel",
    "C": "Cel",
    "°F": "[degF]",
    "degF": "[degF]",
    "F": "[degF]",
    "rh": "%RH",
    "mbar": "hPa",
    "µg/m3": "ug/m3",
    "μg/m3": "ug/m3",
    "µg/m³": "ug/m3",
    "μg/m³": "ug/m3",
    "ug/m³": "ug/m3",
    "ug/m^3": "ug/m3",
    "mg/m³": "mg/m3",
    "mg/m^3": "mg/m3",
    "dBA": "dB",
    "dB(A)": "dB",
    "dBSPL": "dB",
    "lux": "lx",
    "µSv/h": "uSv/h",
    "μSv/h": "uSv/h",
    "µS/cm": "uS/cm",
    "μS/cm": "uS/cm",
    "uS": "uS/cm",
    "m³/h": "m3/h",
    "W/m²": "W/m2",
    "°": "deg",
    "ph": "pH",
    "percent": "%",
}
"""Other spellings seen in the wild, both micro signs (U+00B5 and U+03BC) included."""

UNITS: Final = {unit.symbol: unit for unit in _ALL} | {
    alias: next(unit for unit in _ALL if unit.symbol == symbol) for alias, symbol in _ALIASES.items()
}


def find_unit(symbol: str) -> Unit | None:
    """The unit of a symbol or alias, exact to the letter case ("mW" is not "MW"); None when it is not on the list."""
    return UNITS.get(symbol.strip())


def convert(value: float, unit: str, to: str) -> float:
    """value in one unit as a value in another; raises ValueError for an unknown unit or another dimension."""
    source, target = find_unit(unit), find_unit(to)
    if source is None or target is None:
        raise ValueError(f"unknown unit {unit if source is None else to!r}")
    if source.dimension != target.dimension:
        raise ValueError(f"{unit} measures {source.dimension}, {to} measures {target.dimension}")
    if source is target:
        return value
    return (value * source.factor + source.offset - target.offset) / target.factor
