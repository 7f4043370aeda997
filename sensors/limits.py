"""Quantities and what they can be: hard ranges are facts of physics or of the instrument, soft ones are hints.

Rates are the largest honest change over so many hours, in the canonical unit. "stuck" is how many minutes an honest
sensor may report one and the same value.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sensors.units import UNITS


class Quantity(NamedTuple):
    """low, high: the hard range in the unit; soft_low, soft_high: beyond them a warning with the words of `hint`."""

    name: str
    unit: str
    low: float
    high: float
    source: str
    soft_low: float | None = None
    soft_high: float | None = None
    hint: str = "unusual"
    rates: tuple[tuple[float, float], ...] = ()
    stuck_minutes: float | None = None
    stuck_unless_above: float | None = None
    soft_is_rare: bool = False
    """Whole days beyond the soft range do not happen, so that a series which lies there may be in another unit."""
    step: float | None = None
    """The largest honest change between two samples at most STEP_S apart."""
    clip: float | None = None
    """Values between this and `high` are an instrument's error band and count as this."""

    def settled(self, value: float) -> float:
        """A value within the hard range as it is passed on."""
        return value if self.clip is None else min(value, self.clip)


STEP_S: Final = 600.0
_WMO_HOURS: Final = (1.0, 2.0, 3.0, 6.0, 12.0)
_QC: Final = (
    "range: WMO, Guidelines on quality control procedures for data from automatic weather stations (2004), plausible "
    "values; rates: WMO-No. 305 (1993), chapter 6, VI.21; stuck times: assumed"
)

QUANTITIES: Final = {
    quantity.name: quantity
    for quantity in (
        Quantity(
            "air_temperature",
            "Cel",
            -80,
            60,
            _QC,
            soft_low=-50,
            soft_is_rare=True,
            soft_high=50,
            rates=tuple(zip(_WMO_HOURS, (4.0, 7.0, 9.0, 15.0, 25.0), strict=True)),
            stuck_minutes=240,
        ),
        Quantity(
            "relative_humidity",
            "%RH",
            0,
            104,
            _QC,
            soft_low=5,
            soft_is_rare=True,
            stuck_minutes=360,
            stuck_unless_above=95,
            step=10,
            clip=100,
        ),
        Quantity(
            "pressure",
            "hPa",
            500,
            1100,
            _QC,
            soft_low=850,
            soft_is_rare=True,
            soft_high=1060,
            rates=tuple(zip(_WMO_HOURS, (3.0, 6.0, 9.0, 18.0, 36.0), strict=True)),
            stuck_minutes=120,
        ),
        Quantity("dew_point", "Cel", -100, 40, "highest on record 35 degC (Dhahran, 2003)", soft_low=-60, soft_high=36),
        Quantity("pm25", "ug/m3", 0, 1000, "range of optical counters (Plantower PMS5003 data sheet)", soft_high=500),
        Quantity("pm10", "ug/m3", 0, 1000, "range of optical counters (Plantower PMS5003 data sheet)", soft_high=500),
        Quantity(
            "co2",
            "ppm",
            300,
            10_000,
            "range of infrared sensors (Sensirion SCD30 data sheet)",
            soft_low=400,
            hint="below the open air's level: the sensor needs calibration",
        ),
        Quantity(
            "sound_level",
            "dB",
            0,
            140,
            "IEC 61672-1: reference 20 uPa; 140 is the threshold of pain",
            soft_low=25,
            soft_high=110,
            hint="typical of an uncalibrated microphone",
        ),
        Quantity("illuminance", "lx", 0, 200_000, "direct sun gives some 130,000 lx (CIE 85)", soft_high=130_000),
        Quantity("radiation", "uSv/h", 0, 1e6, "1 Sv/h; natural background 0.05-0.5 (UNSCEAR 2008)", soft_high=1),
        Quantity("water_level", "m", -500, 9_000, "below the Dead Sea to above the highest lake"),
        Quantity("voltage", "V", -1_000_000, 1_000_000, "highest transmission voltage in service 1.1 MV (UHV DC)"),
        Quantity("mass", "kg", 0, 1e6, "a mass is not negative; heaviest weighbridges"),
        Quantity("ph", "pH", -2, 16, "strongest concentrated acids and bases", soft_low=0, soft_high=14),
        Quantity("conductivity", "uS/cm", 0, 1_000_000, "concentrated acid some 850,000 uS/cm", soft_high=100_000),
        Quantity(
            "wind_speed", "m/s", 0, 120, "strongest gust on record 113 m/s (WMO, Barrow Island 1996)", soft_high=50
        ),
        Quantity(
            "wavelength",
            "nm",
            10,
            1_000_000,
            "optical radiation: ultraviolet from 10 nm, infrared to 1 mm (ISO 20473, ISO 21348)",
            soft_low=190,
            soft_high=2_600,
            hint="beyond common spectrometers",
        ),
        Quantity(
            "irradiance", "W/m2", 0, 1_500, "solar constant 1361 W/m2 (Kopp and Lean 2011), clouds add", soft_high=1_361
        ),
    )
}

_NAMES: Final = {
    "temperature": "air_temperature",
    "temp": "air_temperature",
    "humidity": "relative_humidity",
    "rh": "relative_humidity",
    "air_pressure": "pressure",
    "barometric_pressure": "pressure",
    "pm2.5": "pm25",
    "pm2_5": "pm25",
    "carbon_dioxide": "co2",
    "noise": "sound_level",
    "sound": "sound_level",
    "light": "illuminance",
    "dose_rate": "radiation",
    "acidity": "ph",
    "wind": "wind_speed",
    "dewpoint": "dew_point",
    "solar_radiation": "irradiance",
}

DIMENSION_LIMITS: Final = {
    "temperature": (-273.15, 5_000.0),
    "humidity": (0.0, 104.0),
    "pressure": (0.0, 1e7),
    "mass_concentration": (0.0, 1e9),
    "amount_fraction": (0.0, 1e6),
    "sound": (-20.0, 194.0),
    "illuminance": (0.0, 1e6),
    "dose_rate": (0.0, 1e9),
    "mass": (0.0, 1e9),
    "acidity": (-5.0, 20.0),
    "conductivity": (0.0, 1e9),
    "duration": (0.0, 1e9),
    "count": (0.0, 1e12),
    "irradiance": (0.0, 1e8),
    "wavelength": (0.0, 1e9),
    "precipitation": (0.0, 3_000.0),
}
"""For quantities without a row of their own: absolute zero, fractions below one million ppm, sound below 194 dB (where
the pressure wave reaches vacuum), nothing negative that cannot be."""


def find_named(name: str) -> Quantity | None:
    """The quantity that a reading's name means, by its own name or a common one; None for any other."""
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    return QUANTITIES.get(_NAMES.get(key, key))


def find_quantity(name: str, dimension: str) -> Quantity | None:
    """The same, None also when the name's quantity is not of that dimension."""
    found = find_named(name)
    return found if found is not None and UNITS[found.unit].dimension == dimension else None
