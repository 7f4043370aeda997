"""The report: one HTML file that needs nothing else, with what was tried, what it cost and where the model errs."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from research_runner import charts, curve, dataset, keep, loop, measure
from research_runner.errors import RunnerError
from research_runner.results import Row, RunLog
from research_runner.score import Scorer
from research_runner.workspace import Workspace
from sensors import decode

WORST = 12
PICTURE_SIDE = 112  # px

STYLE = """
:root{--paper:#fff;--ink:#1c2430;--soft:#5b6675;--line:#d9dee5;--good:#0b7a4b;--bad:#b3261e;--dot:#98a3b3;--tint:#f4f6f9}
@media(prefers-color-scheme:dark){:root{--paper:#12161c;--ink:#e8ecf2;--soft:#9aa6b6;--line:#2c3541;--good:#4cc38a;
--bad:#ff8a80;--dot:#66758a;--tint:#1a2028}}
*{box-sizing:border-box}body{margin:0 auto;padding:2rem 1rem 4rem;max-width:920px;background:var(--paper);
color:var(--ink);font:16px/1.5 system-ui,sans-serif}h1{margin:0 0 .2em;font-size:1.7rem}
h2{margin:2.2em 0 .6em;font-size:1.2rem}
p{margin:.4em 0}.soft{color:var(--soft)}.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));
gap:.75rem;margin:1.2rem 0}.tile{background:var(--tint);border-radius:10px;padding:.8rem 1rem}.tile b{display:block;
font-size:1.35rem;font-variant-numeric:tabular-nums}.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;
font-size:.87rem;font-variant-numeric:tabular-nums}th,td{padding:.35rem .55rem;border-bottom:1px solid var(--line);
text-align:right;white-space:nowrap;vertical-align:top}td.w{text-align:left;white-space:normal;min-width:17rem}
td.l,th.l{text-align:left}tr.keep td{font-weight:600}.keep .s{color:var(--good)}.crash .s,.timeout .s{
color:var(--bad)}svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:12px}.middle{text-anchor:
middle}.end{text-anchor:end}.small{font-size:11px}
svg .ink{fill:var(--ink)}svg .paper{fill:var(--paper)}line.grid{stroke:var(--line)}line.spread{stroke:
var(--good);stroke-width:2;opacity:.5}line.mean{stroke:var(--ink);stroke-width:2}circle.kept{fill:var(--good)}
circle.soft{opacity:.55}circle.dropped{fill:var(--dot)}.frontier{fill:none;stroke:var(--good);stroke-width:2}
text.bad{fill:var(--bad);font-size:15px}rect.right{fill:var(--good);stroke:var(--line)}rect.wrong{fill:var(--bad);
stroke:var(--line)}.worst{display:grid;grid-template-columns:repeat(auto-fill,minmax(118px,1fr));gap:.8rem}
figure{margin:0;font-size:.82rem}figure img{width:100%;border-radius:8px;background:var(--tint);display:block}
pre{background:var(--tint);border-radius:10px;padding:1rem;overflow-x:auto;font-size:.82rem;white-space:pre-wrap}
"""


def write(workspace: Workspace) -> Path:
    """workspace/report.html, made anew; RunnerError when there is nothing to report yet."""
    rows = workspace.rows()
    now = loop.best(rows)
    if now is None:
        raise RunnerError("there is no experiment yet to report on: run sensorium-runner loop first")
    log = RunLog(workspace.inner / "runs.jsonl")
    sections = [
        _header(workspace, rows, now),
        _section("Progress", charts.progress(rows), _progress_words(workspace, rows)),
        _section("What the seed alone does", charts.seeds(_seed_groups(workspace, rows, now, log)), SEED_WORDS),
        _section("Experiments", _table(rows), ""),
        _curve(workspace),
        _mistakes(workspace, now),
        _card(workspace, now),
    ]
    title = escape(f"{workspace.name}: research report")
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style>"
    )
    page = f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(sections)}</body></html>'
    path = workspace.root / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


SEED_WORDS = (
    "Each dot is one training run; the runs of a row differ in nothing but their seed. "
    "A change is kept only when it does more than this."
)


def _header(workspace: Workspace, rows: list[Row], now: Row) -> str:
    sizes = ", ".join(f"{len(part)} {name}" for name, part in workspace.split_rows.items())
    tiles = [
        ("val accuracy now", _share(now.accuracy)),
        ("of the first experiment", _share(rows[0].accuracy)),
        ("log loss now", f"{now.metric:.4f}" if now.metric is not None else "–"),
        ("experiments", str(len(rows) - 1)),
        ("kept", str(sum(row.status == "keep" for row in rows) - 1)),
        ("public test (Ladder)", _share(now.test)),
        ("training", f"{sum(row.seconds for row in rows):,.0f} s"),
        ("spent on photos", _spent(workspace)),
    ]
    boxes = "".join(f'<div class="tile"><b>{escape(value)}</b>{escape(name)}</div>' for name, value in tiles)
    goal = escape(workspace.program.goal.strip().capitalize())
    return (
        f'<h1>{escape(workspace.name)}</h1><p>{goal}.</p><p class="soft">Photos: {escape(sizes)}. '
        f'{len(workspace.meta.labels)} labels.</p><div class="tiles">{boxes}</div>'
    )


def _spent(workspace: Workspace) -> str:
    spent = dataset.origin(workspace.data_folder).spent
    return ", ".join(f"{amount / 100:,.2f} {currency}" for currency, amount in spent.items()) or "–"


def _progress_words(workspace: Workspace, rows: list[Row]) -> str:
    risk = workspace.program.risk
    return (
        f"Green: kept, with the spread between seeds; grey: discarded; ×: crashed or too slow. {len(rows) - 1} "
        f"experiments were compared with what stood before on the same seeds. The chance that the whole row of "
        f"experiments has kept anything as better that is not is at most {risk:.0%}."
    )


def _seed_groups(workspace: Workspace, rows: list[Row], now: Row, log: RunLog) -> list[tuple[str, list[float]]]:
    seeds = workspace.seeds(keep.TEST)
    shown = [("first", rows[0])] if rows[0].commit == now.commit else [("first", rows[0]), ("now", now)]
    return [
        (f"#{row.experiment} {name}", [each.metric for each in log.of(row.commit, seeds) if each.metric is not None])
        for name, row in shown
    ]


def _table(rows: list[Row]) -> str:
    names = ("log loss", "± seeds", "runs", "accuracy", "effect", "95 % interval", "s", "MB", "µ cost")
    head = '<th>#</th><th class="l">status</th><th class="l">change · reason</th>'
    head += "".join(f"<th>{name}</th>" for name in names)
    body = []
    for row in rows:
        interval = f"{row.low:+.4f} … {row.high:+.4f}" if row.low is not None and row.high is not None else ""
        cells = [
            _number(row.metric), _number(row.std), str(row.seeds), _share(row.accuracy),
            f"{row.effect:+.4f}" if row.effect is not None else "", interval,
            f"{row.seconds:.1f}", f"{row.memory_mb:.0f}", str(row.cost),
        ]  # fmt: skip
        first = (
            f'<td>{row.experiment}</td><td class="l s">{row.status}</td><td class="w">{escape(row.description)}</td>'
        )
        body.append(f'<tr class="{row.status}">{first}' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(body)}</table></div>'


def _curve(workspace: Workspace) -> str:
    """The learning curve, once it has been measured."""
    path = curve.kept_in(workspace)
    if not path.is_file():
        return ""
    found = msgspec.json.decode(path.read_bytes(), type=curve.Curve)
    last = found.points[-1]
    words = (
        f"The train.py of {found.commit[:10]} on ever more of the photos, {curve.SEEDS} seeds each, scored on "
        f"{found.scored:,} photos ({found.scored_on}): {last.accuracy:.1%} with all {last.photos:,}."
    )
    points = [(point.photos, point.accuracy, point.low, point.high) for point in found.points]
    return _section("What more photos bring", charts.learning(points), words)


def _mistakes(workspace: Workspace, now: Row) -> str:
    """Confusion and the surest mistakes on val, from the mean of the kept runs' probabilities."""
    scorer, seeds = Scorer(workspace), workspace.seeds(keep.TEST)
    files = [workspace.kept_file("npz", now.commit, seed) for seed in seeds]
    probabilities = np.mean([scorer.read(file)["val"] for file in files if file.is_file()], axis=0)
    labels, names = scorer.labels["val"], workspace.meta.labels
    said = probabilities.argmax(axis=1)
    counts = measure.confusion(labels, said, len(names))
    wrong = [int(index) for index in np.argsort(-probabilities.max(axis=1)) if said[index] != labels[index]]
    pictures = "".join(_figure(workspace, index, probabilities[index], int(labels[index])) for index in wrong[:WORST])
    how_many = f"{len(wrong)} of {len(labels)} val photos are named wrongly by the mean of {len(files)} runs."
    shown = charts.confusion(names, counts.tolist()) or _pairs(names, counts)
    worst = f'<h2>Surest mistakes</h2><div class="worst">{pictures}</div>' if pictures else ""
    return _section("Confusion on val", shown, how_many) + worst


def _pairs(names: list[str], counts: NDArray[np.int64]) -> str:
    """For many labels: the most frequent confusions as a table."""
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None)[:15]
    found = [(divmod(int(place), len(names)), int(wrong.flat[place])) for place in order]
    lines = [
        f'<tr><td class="l">{escape(names[true])}</td><td class="l">{escape(names[taken])}</td><td>{count}</td></tr>'
        for (true, taken), count in found
        if count
    ]
    return f'<table><tr><th class="l">true</th><th class="l">taken for</th><th>photos</th></tr>{"".join(lines)}</table>'


def _figure(workspace: Workspace, index: int, probabilities: NDArray[Any], label: int) -> str:
    row, names = workspace.split_rows["val"][index], workspace.meta.labels
    content = (workspace.data_folder / row["file"]).read_bytes()
    picture = base64.b64encode(decode.render(content, PICTURE_SIDE)).decode()
    said = int(probabilities.argmax())
    words = f"{names[said]} ({probabilities[said]:.0%}), is {names[label]} ({probabilities[label]:.0%})"
    return (
        f'<figure><img alt="" src="data:image/jpeg;base64,{picture}"><figcaption>{escape(words)}</figcaption></figure>'
    )


def _card(workspace: Workspace, now: Row) -> str:
    folder = workspace.inner / "published" / now.commit[:16]
    if not (folder / "package.json").is_file():
        return ""
    measured = msgspec.json.decode((folder / "package.json").read_bytes())["measured"]
    plot = charts.confusion(workspace.meta.labels, measured["confusion"])
    vault = _section("Confusion on the vault", plot, "Of the published model.") if plot else ""
    card = (folder / "card.md").read_text(encoding="utf-8")
    return vault + _section("Model card", f"<pre>{escape(card)}</pre>", "")


def _section(title: str, body: str, words: str) -> str:
    said = f'<p class="soft">{escape(words)}</p>' if words else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
