"""`python -m tests.fuzz [target …] --seconds 60`: coverage-guided fuzzing of each parser (atheris, the extra `fuzz`).

Each target runs in a process of its own and starts from generated files. What it may raise are its documented
refusals; anything else is a crash, whose input is kept in `.fuzz/TARGET/`. Prints for each: executions, edges, crashes.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(".fuzz")
INPUT_LIMIT_S, MEMORY_MB = 5, 1_500


def main() -> int:
    """1 when any target crashed, 2 for a target that there is not."""
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz")
    arguments.add_argument("targets", nargs="*")
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--inside", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.inside:
        inside(given.inside, given.seconds)
    from tests.fuzz.targets import TARGETS

    unknown = set(given.targets) - set(TARGETS)
    if unknown:
        print(f"no such target: {', '.join(sorted(unknown))}; there are: {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    print(f"{'target':14}{'executions':>11}{'edges':>8}{'features':>9}{'crashes':>8}")
    return max([outside(name, given.seconds) for name in given.targets or TARGETS])


def outside(name: str, seconds: int) -> int:
    """Fuzz one target in a process of its own and print its line; 1 when it crashed."""
    command = [sys.executable, "-m", "tests.fuzz", "--inside", name, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    executions = re.findall(r"(?:#|executed_units: )(\d+)", done.stderr) or ["0"]
    edges = re.findall(r"cov: (\d+)", done.stderr) or ["0"]
    features = re.findall(r"ft: (\d+)", done.stderr) or ["0"]
    crashed = done.returncode != 0
    print(f"{name:14}{executions[-1]:>11}{edges[-1]:>8}{features[-1]:>9}{int(crashed):>8}", flush=True)
    if crashed:
        print(done.stderr[-3000:] + done.stdout[-2000:])
    return int(crashed)


def inside(name: str, seconds: int) -> None:
    """The fuzzing itself; never returns."""
    import atheris

    with atheris.instrument_imports(include=["sensors", "PIL", "pi_heif"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    folder = FOLDER / name
    (folder / "seeds").mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (folder / "seeds" / f"{number:04}").write_bytes(seed)

    def once(data: bytes) -> None:
        try:
            target.run(data)
        except target.refusals:
            pass

    options = [f"-max_total_time={seconds}", f"-timeout={INPUT_LIMIT_S}", f"-rss_limit_mb={MEMORY_MB}"]
    options += ["-max_len=8192", "-print_final_stats=1", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *options, str(folder / "seeds")], once)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
