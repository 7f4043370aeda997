"""Optuna over the constants of train.py: a few of the incumbent's values changed at a time, the rest kept."""

from __future__ import annotations

import math
import random
import warnings

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import PartialFixedSampler, TPESampler
from optuna.trial import TrialState, create_trial

from research_runner import constants
from research_runner.constants import Constant, Value
from research_runner.errors import RunnerError
from research_runner.proposers import Change, History

CHANGED_AT_ONCE = (1, 1, 1, 2)  # drawn from
PATIENCE = 12  # attempts after which the constants to change are drawn by lot
DISORDER = 4.0  # places by which the order of the file is shaken
ATTEMPTS = 40
LEAST_STEP = 0.12  # of its range that a number must move by; less is lost in the noise

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Search:
    """Tree-structured Parzen estimators, given the history of the loop; the same seed proposes the same changes."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def propose(self, history: History) -> Change | None:
        found = constants.find(history.incumbent)
        space = {name: each for name, each in found.items() if each.searchable and name not in history.fixed}
        now = {name: each.value for name, each in space.items()}
        study = self._study(history, space)
        tried = {tuple(sorted(values.items())) for values in self._tried(history, space)}
        dice = random.Random(f"{self.seed}/{history.number}")
        for attempt in range(ATTEMPTS):
            chosen = self._choose(dice, history, space, by_lot=attempt >= PATIENCE)
            fixed = {name: value for name, value in now.items() if name not in chosen}
            base = TPESampler(seed=dice.randrange(2**31), n_startup_trials=8)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.sampler = PartialFixedSampler(fixed, base)
            trial = study.ask({name: distribution(each) for name, each in space.items()})
            study.tell(trial, state=TrialState.FAIL)
            values = {name: _rounded(trial.params[name]) for name in chosen}
            enough = [name for name, value in values.items() if _moved(space[name], value)]
            values = {name: values[name] for name in enough}
            if values and tuple(sorted({**now, **values}.items())) not in tried:
                told = ", ".join(f"{name} {now[name]} → {value}" for name, value in values.items())
                return Change(constants.replace(history.incumbent, values), told)
        return None

    def _choose(self, dice: random.Random, history: History, space: dict[str, Constant], by_lot: bool) -> list[str]:
        """Which constants to change: what was tried least, and among equals roughly in the order of the file; any, by
        lot, once those have nothing new to give."""
        changed = [part.split(" ")[0] for row in history.rows for part in row.description.split(", ")]
        place = {name: position + dice.uniform(0, DISORDER) for position, name in enumerate(space)}
        order = sorted(space, key=lambda name: (changed.count(name), place[name]))
        if by_lot:
            dice.shuffle(order)
        return order[: min(len(order), dice.choice(CHANGED_AT_ONCE))]

    def _tried(self, history: History, space: dict[str, Constant]) -> list[dict[str, Value]]:
        """The values of the searched constants in every experiment so far."""
        every = (_constants(history.source_of(row.commit)) for row in history.rows)
        return [{name: found[name].value for name in space if name in found} for found in every]

    def _study(self, history: History, space: dict[str, Constant]) -> optuna.Study:
        study = optuna.create_study(direction="minimize")
        distributions = {name: distribution(each) for name, each in space.items()}
        for row, values in zip(history.rows, self._tried(history, space), strict=True):
            inside = values.keys() == space.keys() and all(
                distributions[name]._contains(distributions[name].to_internal_repr(value))
                for name, value in values.items()
            )
            if row.metric is not None and inside:
                study.add_trial(create_trial(params=values, distributions=distributions, value=row.metric))
        return study


def _constants(source: str) -> dict[str, Constant]:
    """Those of an earlier experiment, which may have been no Python at all."""
    try:
        return constants.find(source)
    except RunnerError:
        return {}


def distribution(constant: Constant) -> BaseDistribution:
    """What may be tried for a searchable constant; the incumbent's own value is always among it."""
    if constant.choices is not None:
        options = [*constant.choices, *([] if constant.value in constant.choices else [constant.value])]
        return CategoricalDistribution(options)
    assert constant.low is not None and constant.high is not None and not isinstance(constant.value, str)
    low, high = min(constant.low, constant.value), max(constant.high, constant.value)
    if isinstance(constant.value, int):
        return IntDistribution(int(low), int(high), log=constant.log)
    return FloatDistribution(low, high, log=constant.log)


def _rounded(value: Value) -> Value:
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _moved(constant: Constant, value: Value) -> bool:
    spread = distribution(constant)
    if isinstance(spread, CategoricalDistribution):
        return value != constant.value
    assert not isinstance(value, str) and not isinstance(constant.value, str)
    assert isinstance(spread, FloatDistribution | IntDistribution)
    if spread.log:
        return abs(math.log(value / constant.value)) >= LEAST_STEP * math.log(spread.high / spread.low)
    return abs(value - constant.value) >= LEAST_STEP * (spread.high - spread.low)
