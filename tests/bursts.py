"""Rendered bursts: what a camera in a hand sees of a scene of textured surfaces; for tests and measurements.

Real bursts are not among the samples. Surfaces are rectangles in space with a texture of blotches and boxes; the camera
is a pinhole with a lens that bends a little, sensor noise, JPEG. All sizes are assumed: a hand that moves the phone by
1 to 6 cm and turns it by 0.5 to 4 degrees within the burst, lenses of 0.65 to 1.2 longest sides. No rolling shutter, no
blur of motion, no reflections, nothing that moves by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Grey = NDArray[np.uint8]
Random = np.random.Generator

WIDTH, HEIGHT = 320, 240


def texture(random: Random, side: int) -> Grey:
    """A picture with blotches of all sizes and a few dozen boxes, (side, side)."""
    picture = np.zeros((side, side), dtype=np.float32)
    for cells in (4, 12, 36, 108):
        blotches = random.normal(0, 1, (cells, cells)).astype(np.float32)
        picture += cv2.resize(blotches, (side, side), interpolation=cv2.INTER_CUBIC) * 20 / cells**0.25
    for _ in range(int(random.integers(20, 80))):
        left, top = random.integers(0, side, 2)
        width, height = random.integers(6, side // 6, 2)
        picture[top : top + height, left : left + width] += random.normal(0, 40)
    return np.clip(picture + random.uniform(80, 170), 0, 255).astype(np.uint8)


@dataclass
class Surface:
    """A rectangle: its middle (3,) and half its sides (3,) each, in metres; x right, y down, z away from the camera."""

    picture: Grey
    middle: Floats
    across: Floats
    down: Floats


def turned(degrees: Floats) -> Floats:
    """The rotation (3, 3) about an axis, by its length in degrees."""
    return np.asarray(cv2.Rodrigues(np.radians(degrees).reshape(3, 1))[0])


def surface(random: Random, middle: Floats, half: tuple[float, float], tilt: float, side: int = 512) -> Surface:
    """A surface that leans by up to `tilt` degrees each way."""
    pose = turned(random.uniform(-tilt, tilt, 3) * (1, 1, 0.5))
    across, down = pose @ (half[0], 0, 0), pose @ (0, half[1], 0)
    return Surface(texture(random, side), np.asarray(middle, dtype=float), across, down)


def room(random: Random, distance: float = 0.0, relief: float = 0.55) -> list[Surface]:
    """A wall and things before it, from the wall's distance in metres (1.2 to 3.5 if 0) to less by the relief, 0–1."""
    distance = distance or float(random.uniform(1.2, 3.5))
    found = [surface(random, np.array([0.0, 0.0, distance]), (1.3 * distance, 1.3 * distance), 15 * relief)]
    for _ in range(int(random.integers(4, 11))):
        away = distance * (1 - float(random.uniform(0.2, 1)) * relief)
        place = np.array([*random.uniform((-0.5, -0.4), (0.5, 0.4)) * away, away])
        size = random.uniform(0.08, 0.25, 2) * away
        found.append(surface(random, place, (float(size[0]), float(size[1])), 40 * relief, 160))
    return found


def sheet(random: Random) -> list[Surface]:
    """A screen or a print, 25 to 60 cm away, seen at an angle of up to 35 degrees, and nothing beside it."""
    distance = float(random.uniform(0.25, 0.6))
    return [surface(random, np.array([0.0, 0.0, distance]), (1.3 * distance, 1.3 * distance), 25)]


def _seen(scene: list[Surface], place: Floats, pose: Floats, lens: float) -> Grey:
    """The scene by a camera at a place; pose takes directions of the world to the camera's."""
    camera = np.array([[lens, 0, (WIDTH - 1) / 2], [0, lens, (HEIGHT - 1) / 2], [0, 0, 1.0]])
    picture = np.full((HEIGHT, WIDTH), 128, dtype=np.uint8)
    for each in sorted(scene, key=lambda other: -other.middle[2]):
        side = each.picture.shape[0]
        # From the texture's pixels to the surface's plane, to the world, to the camera.
        plane = np.array([[2 / side, 0, -1], [0, 2 / side, -1], [0, 0, 1.0]])
        world = np.column_stack([each.across, each.down, each.middle - place]) @ plane
        homography = camera @ pose @ world
        covered = cv2.warpPerspective(np.full_like(each.picture, 255), homography, (WIDTH, HEIGHT))
        drawn = cv2.warpPerspective(each.picture, homography, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        picture = np.where(covered > 127, drawn, picture)
    return picture


def _bent(picture: Grey, lens: float, bend: float) -> Grey:
    """As a lens with radial distortion shows it; bend is k1 in units of the focal length."""
    x, y = np.meshgrid(np.arange(WIDTH) - (WIDTH - 1) / 2, np.arange(HEIGHT) - (HEIGHT - 1) / 2)
    stretch = 1 + bend * (x**2 + y**2) / lens**2
    to_x, to_y = x * stretch + (WIDTH - 1) / 2, y * stretch + (HEIGHT - 1) / 2
    return np.asarray(
        cv2.remap(picture, to_x.astype(np.float32), to_y.astype(np.float32), cv2.INTER_LINEAR, None, cv2.BORDER_REFLECT)
    )


def jpeg(picture: Grey, quality: int = 85) -> bytes:
    """The file that a phone would send."""
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def burst(
    random: Random,
    scene: list[Surface],
    *,
    count: int = 5,
    moved_m: float | None = None,
    turned_deg: float | None = None,
    noise: float | None = None,
) -> list[bytes]:
    """JPEGs of 320 by 240. moved_m, turned_deg: from the first picture to the last; a hand's where they are None."""
    moved = float(random.uniform(0.01, 0.06)) if moved_m is None else moved_m
    turning = float(random.uniform(0.5, 4)) if turned_deg is None else turned_deg
    lens = float(random.uniform(0.65, 1.2)) * WIDTH
    bend, grain = float(random.normal(0, 0.01)), float(random.uniform(1, 4)) if noise is None else noise
    way = random.normal(0, 1, 3) * (1, 1, 0.5)
    axis = random.normal(0, 1, 3)
    way, axis = way / np.linalg.norm(way), axis / np.linalg.norm(axis)
    found = []
    for k in range(count):
        part = k / (count - 1)
        shake = (random.normal(0, 0.05, 3) * moved, random.normal(0, 0.05, 3) * turning) if k else (0.0, 0.0)
        picture = _seen(scene, part * moved * way + shake[0], turned(part * turning * axis + shake[1]), lens)
        noisy = _bent(picture, lens, bend) + random.normal(0, grain, picture.shape)
        found.append(jpeg(np.clip(noisy, 0, 255).astype(np.uint8)))
    return found


def grey(frames: list[bytes]) -> list[Grey]:
    """The pictures in them."""
    return [np.asarray(cv2.imdecode(np.frombuffer(each, np.uint8), cv2.IMREAD_GRAYSCALE)) for each in frames]
