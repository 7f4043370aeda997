"""`python -m tests.bench [name …]`: measurements beside a reference in the same run; all of them without a name."""

import importlib
import sys
from pathlib import Path

NAMES = sorted(file.stem.removeprefix("bench_") for file in Path(__file__).parent.glob("bench_*.py"))


def main(wanted: list[str]) -> int:
    """Run what is wanted, or everything; 2 when there is no such measurement."""
    unknown = sorted(set(wanted) - set(NAMES))
    if unknown:
        print(f"no measurement named {', '.join(unknown)}; there are: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in wanted or NAMES:
        print(f"== {name}", flush=True)
        importlib.import_module(f"tests.bench.bench_{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
