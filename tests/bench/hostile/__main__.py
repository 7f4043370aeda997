"""`python -m tests.bench.hostile FOLDER`: write every hostile file there, and how many there are of each family."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from tests.bench.hostile import corpus


def main(folder: Path) -> None:
    families: Counter[str] = Counter()
    for each in corpus():
        place = folder / each.family.replace(" ", "_")
        place.mkdir(parents=True, exist_ok=True)
        (place / each.name.replace("/", "_").replace(" ", "_")).write_bytes(each.content)
        families[each.family] += 1
    for family, number in families.items():
        print(f"{number:5} {family}")
    print(f"{families.total():5} files")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("which folder?")
    main(Path(sys.argv[1]))
