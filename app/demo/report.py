"""The demo's report: one HTML file with pictures of everything that happened."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from app.demo import charts
from app.demo.agent import Agent
from app.demo.market import Outcome
from app.demo.photos import Collection, Labelled

STYLE = (Path(__file__).parent / "report.css").read_text()


@dataclass
class Learned:
    """What the research half leaves behind."""

    experiments: list[dict[str, Any]] = field(default_factory=list)  # rows of results.tsv
    curve: list[dict[str, Any]] = field(default_factory=list)  # accuracy on unseen photos by number trained on
    model: dict[str, Any] = field(default_factory=dict)
    first: float = 0.0  # of the first experiment's model, on photos that nobody trained on
    final: float = 0.0
    unseen: int = 0
    abstained: int = 0  # of the unseen photos, those of which the published model would rather say nothing
    samples: list[tuple[Labelled, dict[str, Any]]] = field(default_factory=list)
    seconds: float = 0.0


def money(amount: float, currency: str = "usd") -> str:
    """Minor units of a currency with two digits, for people."""
    return f"{amount / 100:,.2f} {currency.upper()}"


def best_guess(output: dict[str, Any]) -> str:
    """A prediction's likeliest label, also where the model would rather abstain: what accuracy is counted by."""
    probabilities: dict[str, float] = output["probabilities"]
    return max(probabilities, key=probabilities.__getitem__)


def caught(cheat: dict[str, str]) -> bool:
    """Whether a cheat was refused, and for the very thing that was wrong."""
    return cheat["failed_check"] in (cheat["check"], "unsupported-media")


def summary(collection: Collection, outcome: Outcome, learned: Learned, account: dict[str, Any], clean: bool,
            seconds: float) -> list[tuple[str, str]]:  # fmt: skip
    """The few lines that say whether it worked."""
    refused = sum(map(caught, outcome.refused))
    kept = sum(row["status"] == "keep" for row in learned.experiments[1:])
    return [
        ("questions asked", f"{len(outcome.tasks)} tasks, {sum(t['quantity'] for t in outcome.tasks)} photos wanted"),
        ("observations bought", f"{outcome.accepted} in {outcome.seconds:.0f} s from {len(outcome.people)} people"),
        ("cheats refused", f"{refused} of {len(outcome.refused)}, each with its reason"),
        ("balance left", f"{money(account['balance']['available']['amount'])} available, "
                         f"{money(account['balance']['held']['amount'])} held"),
        ("paid out", f"{money(outcome.run['total']['amount']['amount'])} to {outcome.run['total']['count']} people "
                     f"through Stripe's sandbox"),
        ("experiments", f"{len(learned.experiments) - 1} after the baseline, {kept} kept, {learned.seconds:.0f} s"),
        ("accuracy on unseen photos", f"{learned.final:.4f} over {learned.unseen} "
                                      f"(first experiment's model: {learned.first:.4f})"),
        ("not sure of", f"{learned.abstained} of them: there it says so, and names no label"),
        ("model", f"{learned.model['name']} version {learned.model['version']}, answering at /v1/models/…/predict"),
        ("audit", "clean" if clean else "BROKEN"),
        ("time in all", f"{seconds:.0f} s"),
    ]  # fmt: skip


def write(
    path: Path,
    title: str,
    rows: list[tuple[str, str]],
    agent: Agent,
    outcome: Outcome,
    learned: Learned,
    movements: dict[str, int],
) -> None:
    """Write the page."""
    parts = [
        f"<h1>Sensorium: {escape(title)}</h1>",
        '<p class="lead">Ask, observe, verify, pay, learn: one run of the whole loop.</p>',
        _table(("", ""), rows),
        "<h2>From question to observation</h2>", _figure(_funnel(agent, outcome)),
        _figure(charts.lines([("line", agent.bought)], "Observations bought over time", "s", "observations", y_from=0)),
        "<h2>What was refused, and why</h2>",
        _table(("trick", "check that failed", "what the person was told"),
               [(row["trick"], row["failed_check"], row["detail"]) for row in outcome.refused]),
        "<h2>Where the money went</h2>", _figure(_flow(outcome, movements)),
        "<h2>Experiments</h2>", _figure(_progress(learned.experiments)),
        '<p>Every change, its cost and its seeds: <a href="experiments.html">the runner\'s own report</a>.</p>',
        "<h2>What more photos bring</h2>", _figure(_curve(learned)),
        "<h2>Predictions on photos nobody trained on</h2>", _samples(learned),
    ]  # fmt: skip
    path.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Sensorium demo</title><style>{STYLE}</style><body>{''.join(parts)}</body></html>"
    )


def _figure(body: str) -> str:
    return f"<figure>{body}</figure>"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head) if any(head) else ""
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{'<tr>' + top + '</tr>' if top else ''}{body}</table>"


def _funnel(agent: Agent, outcome: Outcome) -> str:
    names = (
        ("claimed", "task.claimed"), ("submitted", "submission.received"), ("accepted", "submission.accepted"),
        ("rejected", "submission.rejected"), ("left to the buyer", "submission.needs_review"),
    )  # fmt: skip
    wanted = sum(task["quantity"] for task in outcome.tasks)
    rows = [("wanted", float(wanted), str(wanted))]
    rows += [(label, float(agent.counts[event]), str(agent.counts[event])) for label, event in names]
    return charts.bars(rows, "The funnel, counted from the event log")


def _flow(outcome: Outcome, movements: dict[str, int]) -> str:
    """All of it from the ledger: the account's journal, the people's earnings, the payout run."""
    topped_up = movements["funding"]
    spent = -sum(amount for kind, amount in movements.items() if kind != "funding")
    paid = outcome.run["total"]["amount"]["amount"]
    return charts.bars(
        [
            ("topped up by the agent", float(topped_up), money(topped_up)),
            ("spent on observations", float(spent), money(spent)),
            ("earned by people", float(outcome.earned), money(outcome.earned)),
            ("the market's fee", float(spent - outcome.earned), money(spent - outcome.earned)),
            ("paid out", float(paid), money(paid)),
            ("waiting for bank details", float(outcome.earned - paid), money(outcome.earned - paid)),
        ],
        "Money, from the ledger",
    )


def _progress(experiments: list[dict[str, Any]]) -> str:
    scored = [(i, row["metric"], row["status"]) for i, row in enumerate(experiments) if row["metric"] is not None]
    best: list[tuple[float, float]] = []
    for i, metric, status in scored:
        if status == "keep" or not best:
            best.append((i, metric))
        else:
            best.append((i, best[-1][1]))
    return charts.lines(
        [
            ("dots", [(i, metric) for i, metric, status in scored if status != "keep"]),
            ("dots-kept", [(i, metric) for i, metric, status in scored if status == "keep"]),
            ("best", best),
        ],
        "Each experiment's validation loss, lower is better; green: kept. A lower grey dot is the mean of fewer seeds: "
        "on the same seeds it was not shown to be better",
        "experiments",
        "loss",
    )


def _curve(learned: Learned) -> str:
    return charts.lines(
        [
            ("best", [(point["photos"], point["accuracy"]) for point in learned.curve]),
            ("dots-kept", [(point["photos"], point["accuracy"]) for point in learned.curve]),
        ],
        f"Accuracy of the kept train.py on {learned.unseen:,} unseen photos, by photos trained on, which double "
        "along the axis",
        "photos",
        "accuracy",
        doubling=True,
    )


def _samples(learned: Learned) -> str:
    cells = []
    for photo, output in learned.samples:
        said = best_guess(output)
        right = said == photo.label
        sure = "not sure: " if output["abstained"] else ""
        image = base64.b64encode(photo.data).decode()
        kind = "image/png" if photo.data.startswith(b"\x89PNG") else "image/jpeg"
        cells.append(
            f'<figure><img alt="photo labelled {escape(photo.label)}" src="data:{kind};base64,{image}">'
            f'<span class="{"good" if right else "bad"}">{sure}{escape(said)} '
            f"{output['confidence']:.2f}</span><br>truly {escape(photo.label)}</figure>"
        )
    return f'<div class="grid">{"".join(cells)}</div>'
