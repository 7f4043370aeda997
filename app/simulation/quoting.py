"""The sweeps of app/quoting.py under the simulated clock: follow the log, fit the model, score forecasts."""

from __future__ import annotations

from app.simulation.life import Life
from app.simulation.world import DAY_S
from market import fill_history, fill_model, forecasts, reliability
from market.fill_model import Model
from market.forecasts import Calibration

FOLLOW_S = 60.0
SCORE_S = 6 * 3600.0


class Quoting:
    """Joined to a life, it keeps quotes as the service does, but for how often: the log is followed each minute in
    which something was posted, forecasts are scored four times a day, and the model is fitted each night.

    fitted_until: days after which the last model stays, so that what it foretells of later tasks was learned before
    all of them; None: it is fitted to the end.
    """

    def __init__(self, life: Life, fitted_until: float | None = None, fit_days: int = 1) -> None:
        self.life = life
        self.fitted_until = fitted_until
        self.model: Model | None = None
        self._due = -1.0
        life.posted.append(self._soon)
        life.every += [(SCORE_S, self._score), (fit_days * DAY_S, self._refit)]

    def _soon(self, at: float) -> None:
        """Follow the log at the next full minute, once for all that is posted before."""
        due = (at // FOLLOW_S + 1) * FOLLOW_S
        if due > self._due:
            self._due = due
            self.life.later(due, self._follow)

    async def _follow(self, at: float) -> None:
        seen = 1
        while seen:
            async with self.life.service.at(at, "follow the log") as conn:
                seen, posted = await fill_history.take_in(conn)
                await forecasts.foretell(conn, posted)

    async def _score(self, at: float) -> None:
        done = 1
        while done:
            async with self.life.service.at(at, "score forecasts") as conn:
                done = await forecasts.score_due(conn)

    async def _refit(self, at: float) -> None:
        if self.fitted_until is not None and at > self.fitted_until * DAY_S + 1:
            return
        await self._follow(at)
        async with self.life.service.at(at, "fit the model") as conn:
            rows = await fill_history.rows(conn)
            if len(rows.end):
                self.model = fill_model.fit(rows)
                await fill_history.keep(conn, self.model)
                await reliability.learn(conn)
                await fill_history.forget(conn)

    async def calibration(self) -> Calibration:
        """How the forecasts of the last thirty days came true, when all that could be scored has been."""
        at = self.life.at + forecasts.PATIENCE_DAYS * DAY_S
        await self._score(at)
        async with self.life.service.at(at, "score forecasts") as conn:
            return await forecasts.calibration(conn)
