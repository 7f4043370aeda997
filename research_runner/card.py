"""The model card: what it is for, what it learned from and from whom, how good it is, what it cost, its limits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from research_runner import dataset, loop
from research_runner.measure import Estimate, Measured
from research_runner.workspace import Workspace

MOST_PEOPLE = 40


def write_card(
    workspace: Workspace, folder: str, commit: str, measured: Measured, members: int, parameters: int
) -> None:
    sections = [
        _what(workspace, commit, members, parameters),
        _quality(workspace, measured),
        _data(workspace),
        _cost(workspace),
        _limits(workspace, measured),
    ]
    (Path(folder) / "card.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _what(workspace: Workspace, commit: str, members: int, parameters: int) -> str:
    meta, budget = workspace.meta, workspace.budget()
    assert budget is not None
    colours = "grey" if meta.channels == 1 else "RGB"
    return f"""# {workspace.name}

{workspace.program.goal.strip().capitalize()}.

- Labels: {", ".join(meta.labels)}
- Input: one photo, upright, centre-cropped and resized to {meta.width} × {meta.height} px, {colours}, values 0 to 255
- Output: calibrated probabilities
- Architecture: {members} whitening-first residual networks, averaged; {parameters:,} numbers in all; no outside weights
- Source: train.py at commit `{commit}`; {budget.steps} steps a run, {budget.threads} thread(s)"""


def _quality(workspace: Workspace, measured: Measured) -> str:
    opened = (workspace.inner / "vault.jsonl").read_text(encoding="utf-8").count("\n")
    people = len({row["group"] for row in workspace.split_rows["vault"] if row["group"]})
    by = f" by {people} people who are in no other part" if people else ""
    said = "" if measured.answered_accuracy is None else f", of which {measured.answered_accuracy:.1%} were right"
    return f"""## How good it is

Measured once, on {measured.n} photos{by} that decided nothing before (opening {opened} of this workspace's vault).

| measure | value | 95 % interval |
|---|---|---|
| accuracy | {_percent(measured.accuracy)} |
| macro-F1 | {_plain(measured.macro_f1)} |
| log loss, nats | {_plain(measured.log_loss)} |

Below a confidence of {measured.abstain_below:.2f} it abstains; it answered {measured.answered:.1%}{said}."""


def _data(workspace: Workspace) -> str:
    rows, said = workspace.split_rows, dataset.origin(workspace.data_folder)
    everything = [row for part in rows.values() for row in part]
    sizes = ", ".join(f"{name} {len(part)}" for name, part in rows.items())
    people = Counter(row["group"] for row in everything if row["group"])
    lines = [f"| {name} | {count} | {count / len(everything):.1%} |" for name, count in people.most_common(MOST_PEOPLE)]
    if len(people) > MOST_PEOPLE:
        rest = sum(people.values()) - sum(count for _, count in people.most_common(MOST_PEOPLE))
        lines.append(f"| {len(people) - MOST_PEOPLE} others | {rest} | {rest / len(everything):.1%} |")
    shares = "\n".join(["| person or group | photos | share |", "|---|---|---|", *lines])
    licences = ", ".join(said.licenses) or "not recorded"
    manifest = f"\n- Manifest SHA-256: `{said.manifest_sha256}`" if said.manifest_sha256 else ""
    return f"""## What it learned from

- Source: {said.source}
- Content SHA-256: `{dataset.content_hash(everything)}`{manifest}
- Licences: {licences}
- Photos: {sizes}; the published weights learned from all but the vault's

{shares if lines else "Who took the photos is not recorded."}"""


def _cost(workspace: Workspace) -> str:
    rows, said = workspace.rows(), dataset.origin(workspace.data_folder)
    bought = ", ".join(f"{amount / 100:,.2f} {currency}" for currency, amount in said.spent.items())
    unknown = "not recorded here; the dataset was bought before" if said.dataset_id else "not bought on the market"
    return f"""## What it cost

- Photos: {bought or unknown}
- Experiments: {len(rows)}, {sum(row.seconds for row in rows):,.0f} s of training, {sum(row.cost for row in rows)} \
millionths of a currency unit for computing"""


def _limits(workspace: Workspace, measured: Measured) -> str:
    row = loop.best(workspace.rows())
    noise = f"Between seeds its log loss varied by ±{row.std:.3f} on val. " if row and row.std is not None else ""
    return f"""## Limits

It tells apart the {len(workspace.meta.labels)} labels above and nothing else: a photo of something else gets one of
them, with luck below the confidence at which it abstains. {noise}The interval above is from {measured.n} photos;
places, people and cameras unlike those in the data may do worse."""


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.1%} | {estimate.low:.1%} to {estimate.high:.1%}"


def _plain(estimate: Estimate) -> str:
    if estimate.low == estimate.high:  # resampling photos that are all right shows no spread, which is not certainty
        return f"{estimate.value:.3f} | not to be had without a mistake"
    return f"{estimate.value:.3f} | {estimate.low:.3f} to {estimate.high:.3f}"
