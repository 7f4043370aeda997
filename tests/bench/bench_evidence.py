"""How evidence is judged as a whole: honest captures wrongly refused or sent to review, attacks let through, and how
well the score tells the probability.

python -m tests.bench evidence

The photos are real, the circumstances modelled (tests/bench/evidence). Attacks here are about the story told of a
photo; those on its pixels have measurements of their own (likeness, edits, recapture), so have signatures (capture).
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict

import msgspec

from sensors.check import check
from sensors.verdict import Verdict, conclude
from sensors.weights import PRIOR, log_odds
from tests.bench.evidence import honest
from tests.bench.evidence.attacks import ATTACKS

ROUNDS = 30
GENUINE = 1 / (1 + math.exp(-PRIOR.log_odds))


def _judge_honest(samples: list[honest.Sample], rounds: int) -> list[tuple[str, Verdict]]:
    return [
        (sample.name, check(case.evidence, case.asked, case.window, []))
        for sample, case in honest.captures(samples, rounds, seed=1)
    ]


def _report_honest(name: str, judged: list[tuple[str, Verdict]]) -> None:
    total = len(judged)
    outcomes = Counter(verdict.outcome for _, verdict in judged)
    print(f"{name}: {total} captures; " + ", ".join(f"{each} {outcomes[each] / total:.2%}" for each in
          ("pass", "review", "fail")))  # fmt: skip
    odd = Counter(
        f"{check.name} {check.status}"
        for _, verdict in judged for check in verdict.checks
        if check.status in ("warn", "fail")
    )  # fmt: skip
    print("    " + ", ".join(f"{each} {count / total:.1%}" for each, count in odd.most_common()))
    for outcome in ("fail", "review"):
        who = Counter(
            f"{file} ({', '.join(c.name for c in verdict.checks if c.status in ('fail', 'warn'))})"
            for file, verdict in judged if verdict.outcome == outcome
        )  # fmt: skip
        for each, count in who.most_common(5):
            print(f"    {outcome}: {count} x {each}")


def _judge_attacks(samples: list[honest.Sample]) -> dict[str, list[Verdict]]:
    rng, found = random.Random(2), defaultdict(list)
    for name, (attack, _) in ATTACKS.items():
        for number in range(300):
            case = honest.capture(samples[number % len(samples)], rng, live=True)
            changed, duplicates = attack(case, rng)
            found[name].append(check(changed.evidence, changed.asked, changed.window, duplicates))
    return found


def _report_calibration(genuine: list[Verdict], attacks: list[Verdict]) -> None:
    """The reliability diagram: where the score says so much, how much is genuine, the prior's odds given."""
    weight = {True: GENUINE / len(genuine), False: (1 - GENUINE) / len(attacks)}
    bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for real, verdicts in ((True, genuine), (False, attacks)):
        for each in verdicts:
            score = conclude(each.checks, [], 0.7).score
            bins[min(9, int(score * 10))].append((score, real))
    print(f"reliability (genuine {GENUINE:.0%} of all, attacks in equal parts):")
    error = brier = 0.0
    for number in sorted(bins):
        mass = sum(weight[real] for _, real in bins[number])
        said = sum(score * weight[real] for score, real in bins[number]) / mass
        true = sum(weight[real] for _, real in bins[number] if real) / mass
        error += mass * abs(said - true)
        brier += sum(weight[real] * (score - real) ** 2 for score, real in bins[number])
        bar = "#" * round(40 * true)
        band = f"{number / 10:.1f}-{number / 10 + 0.1:.1f}  {mass:7.2%} of all"
        print(f"  {band}  said {said:.3f}  genuine {true:.3f}  {bar}")
    print(f"  expected calibration error {error:.3f}, Brier score {brier:.4f}")


def _report_weights(genuine: list[Verdict], attacks: list[Verdict]) -> None:
    """What each finding says by these figures, beside the table; a finding that never came up says nothing here."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for side, verdicts in enumerate((genuine, attacks)):
        for each in verdicts:
            for finding in each.checks:
                counts[finding.name, finding.status][side] += 1
    print("findings: share among genuine, among attacks, log-odds by these, in the table")
    for (name, status), (real, false) in sorted(counts.items()):
        if status in ("pass", "warn", "fail"):
            share = (real + 0.5) / (len(genuine) + 1), (false + 0.5) / (len(attacks) + 1)
            print(f"  {name:16}{status:6}{share[0]:8.2%}{share[1]:8.2%}{math.log(share[0] / share[1]):+8.2f}"
                  f"{log_odds(name, status):+8.2f}")  # fmt: skip


def main() -> None:
    if not honest.DATA.exists():
        print("needs the photos of ../shared/data")
        return
    samples, closed = honest.decodable(honest.DATA / "photos_exif")
    print(f"{len(samples)} of the {len(samples) + closed} difficult photos open")
    judged = _judge_honest(samples, ROUNDS)
    _report_honest("photos_exif", judged)
    untouched = [each for each in samples if each.inspection.provenance.state != "invalid"]
    names = {each.name for each in untouched}
    _report_honest("  without those whose signature is broken", [each for each in judged if each[0] in names])
    labelled, _ = honest.decodable(honest.DATA / "photos_labelled", limit=500)
    small = _judge_honest(labelled, 3)
    _report_honest("photos_labelled", small)
    found = _judge_attacks(untouched)
    print("attacks, 300 each: refused, by the check that should")
    for name, (_, by) in ATTACKS.items():
        refused = sum(each.outcome == "fail" for each in found[name]) / len(found[name])
        right = sum(any(c.name == by and c.status == "fail" for c in each.checks) for each in found[name])
        print(f"  {name:24}{refused:8.1%}{right / len(found[name]):8.1%}")
    genuine = [verdict for name, verdict in judged if name in names] + [verdict for _, verdict in small]
    attacks = [each for verdicts in found.values() for each in verdicts]
    _report_calibration(genuine, attacks)
    _report_weights(genuine, attacks)
    print(f"one verdict as JSON: {len(msgspec.json.encode(genuine[0]))} bytes")


if __name__ == "__main__":
    main()
