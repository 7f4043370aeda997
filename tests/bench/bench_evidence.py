"""How evidence is judged as a whole: honest captures wrongly refused or sent to review, attacks let through, and how
well the score tells the probability.

python -m tests.bench evidence
"""

from __future__ import annotations

from collections import Counter

from sensors.check import check
from tests.bench.evidence import honest


def main() -> None:
    if not honest.DATA.exists():
        print("needs the photos of ../shared/data")
        return
    samples, closed = honest.decodable(honest.DATA / "photos_exif")
    labelled = honest.decodable(honest.DATA / "photos_labelled", limit=500)[0]
    for name, photos, rounds in (("photos_exif", samples, 30), ("photos_labelled", labelled, 3)):
        outcomes: Counter[str] = Counter()
        why: Counter[str] = Counter()
        for sample, case in honest.captures(photos, rounds, seed=1):
            verdict = check(case.evidence, case.asked, case.window, [])
            outcomes[verdict.outcome] += 1
            for each in verdict.checks:
                if each.status not in ("pass", "not_applicable"):
                    why[f"{each.name} {each.status}"] += 1
                    if verdict.outcome != "pass":
                        why[f"{verdict.outcome}: {each.name} {each.status} {sample.name[-30:] if each.status == 'fail' else ''}"] += 1
        total = sum(outcomes.values())
        print(name, len(photos), "photos,", closed, "do not open;", {k: f"{100 * v / total:.2f} %" for k, v in outcomes.items()}, total)
        for key, count in why.most_common(25):
            print(f"    {key}: {100 * count / total:.2f} %")


if __name__ == "__main__":
    main()
