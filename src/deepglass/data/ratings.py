"""Online ratings of entities that meet in pairs: Elo's, and rates of attack and defence.

Rows of one time are all rated before any of them changes a rating. Settings are chosen by the likelihood of the rows.

    elo = Elo.fit(meetings, outcomes)
    before, after = elo.run(meetings, outcomes)     # each row as it was expected, and the ratings at the end

Sources: Elo, The Rating of Chessplayers, 1978. Rates: an online gradient step on the likelihood of Maher, 1982
(10.1111/j.1467-9574.1982.tb00782.x), so that they move in time as in Dixon and Coles, 1997 (10.1111/1467-9876.00065).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

ELO_SCALE = math.log(10) / 400  # of a difference in points
ELO_STEPS = (10.0, 15.0, 20.0, 30.0, 45.0)  # points that a surprise of 1 moves
ELO_ADVANTAGES = (0.0, 40.0, 80.0, 120.0)  # points of the first entity
RATE_STEPS = (0.005, 0.01, 0.02, 0.04, 0.08)
MAX_FIT_ROWS = 50_000  # the latest, on which settings are compared
BURN_IN = 0.3  # share of these rows that only move the ratings
MAX_LOG_RATE = 3.0  # of a rate relative to the mean, so that odd scores leave it finite
MAX_SURPRISE = 3.0  # of a score, in multiples of the mean


class Meetings(NamedTuple):
    """Rows of two entities in order of time.

    Shapes:
        first, second: (N,) int, indices of entities.
        starts: (T + 1,) int, where the rows of each time begin, and N.
        even: (N,) bool, rows in which the first entity has no advantage.
    """

    first: np.ndarray
    second: np.ndarray
    starts: np.ndarray
    even: np.ndarray

    @property
    def num_entities(self) -> int:
        return int(max(self.first.max(initial=-1), self.second.max(initial=-1))) + 1

    def last_rows(self, count: int) -> slice:
        """The last rows, about so many, from the beginning of a time."""
        begins = self.starts[:-1]
        after = begins[begins >= len(self.first) - count]
        return slice(int(after[0]) if len(after) else 0, None)

    def select(self, rows: slice) -> Meetings:
        """These rows, which begin with a time."""
        starts = self.starts[self.starts >= rows.start] - rows.start
        return Meetings(self.first[rows], self.second[rows], starts, self.even[rows])


class Ratings(NamedTuple):
    """What was expected before each row, and the state after the last.

    Shapes:
        rows: (N, C), columns as each rating says.
        state: (E, S), numbers of each entity.
    """

    rows: np.ndarray
    state: np.ndarray


@dataclass(frozen=True)
class Elo:
    """Elo's rating. Columns of a row: points of first and second, expected outcome of the first.

    Args:
        step: K, points that a surprise of 1 moves.
        advantage: points that the first entity has more.
    """

    step: float
    advantage: float

    @staticmethod
    def fit(meetings: Meetings, outcomes: np.ndarray, weights: np.ndarray) -> Elo:
        """The settings of the smallest log loss on the latest rows.

        Shapes:
            outcomes: (N,) in [0, 1], of the first entity; NaN: not stated.
            weights: (N,), factors of each row's step.
        """
        rows = meetings.last_rows(MAX_FIT_ROWS)
        latest, outcomes, weights = meetings.select(rows), outcomes[rows], weights[rows]

        def loss(elo: Elo) -> float:
            expected = elo.run(latest, outcomes, weights).rows[:, 2]
            return _mean_after_burn_in(-outcomes * np.log(expected) - (1 - outcomes) * np.log1p(-expected))

        best = min((Elo(step, 60.0) for step in ELO_STEPS), key=loss)
        return min((replace(best, advantage=points) for points in ELO_ADVANTAGES), key=loss)

    def run(
        self, meetings: Meetings, outcomes: np.ndarray, weights: np.ndarray, state: np.ndarray | None = None
    ) -> Ratings:
        """Arguments as of `fit`; `state` (E, 1) before the first row, None: all 0."""
        points = [0.0] * meetings.num_entities if state is None else state[:, 0].tolist()
        first, second, result = meetings.first.tolist(), meetings.second.tolist(), outcomes.tolist()
        advantage = np.where(meetings.even, 0.0, self.advantage).tolist()
        steps = (self.step * weights).tolist()
        rows: list[tuple[float, float, float]] = []
        for begin, end in pairwise(meetings.starts.tolist()):
            for i in range(begin, end):
                a, b = points[first[i]], points[second[i]]
                rows.append((a, b, 1 / (1 + math.exp(ELO_SCALE * (b - a - advantage[i])))))
            for i in range(begin, end):
                moved = steps[i] * (result[i] - rows[i][2])
                if not math.isnan(moved):
                    points[first[i]] += moved
                    points[second[i]] -= moved
        return Ratings(np.array(rows).reshape(-1, 3), np.array(points).reshape(-1, 1))


@dataclass(frozen=True)
class ScoringRates:
    """How much an entity scores and concedes, as logarithms relative to the mean.

    Columns of a row: attack and defence of the first, those of the second, expected score of each.

    Args:
        step: learning rate.
        mean: score of one entity in a row, on average.
        advantage: logarithm by which the first entity scores more and the second less.
    """

    step: float
    mean: float
    advantage: float

    @staticmethod
    def fit(meetings: Meetings, scores: np.ndarray) -> ScoringRates | None:
        """The settings of the largest Poisson likelihood on the latest rows; None for scores that are no rates.

        Shapes:
            scores: (N, 2) of the first and the second; NaN: not stated.
        """
        rows = meetings.last_rows(MAX_FIT_ROWS)
        latest, scores = meetings.select(rows), scores[rows]
        home = scores[~latest.even & ~np.isnan(scores).any(1)].mean(0) if len(scores) else np.zeros(2)
        if not (np.nanmin(scores, initial=0) >= 0 and (home > 0).all() and np.nanmean(scores) > 0):
            return None
        mean, advantage = float(np.nanmean(scores)), float(np.log(home[0] / home[1]) / 2)

        def loss(rates: ScoringRates) -> float:
            expected = rates.run(latest, scores).rows[:, 4:]
            return _mean_after_burn_in((expected - scores * np.log(expected)).sum(1))

        return min((ScoringRates(step, mean, advantage) for step in RATE_STEPS), key=loss)

    def run(self, meetings: Meetings, scores: np.ndarray, state: np.ndarray | None = None) -> Ratings:
        """Arguments as of `fit`; `state` (E, 2) before the first row, None: all 0."""
        begin_state = np.zeros((meetings.num_entities, 2)) if state is None else state
        attack, defence = begin_state[:, 0].tolist(), begin_state[:, 1].tolist()
        first, second = meetings.first.tolist(), meetings.second.tolist()
        advantage = np.where(meetings.even, 0.0, self.advantage).tolist()
        relative = np.minimum(scores / self.mean, MAX_SURPRISE + 1).tolist()
        rows: list[tuple[float, ...]] = []
        for begin, end in pairwise(meetings.starts.tolist()):
            for i in range(begin, end):
                a, b = first[i], second[i]
                one = min(advantage[i] + attack[a] - defence[b], MAX_LOG_RATE)
                other = min(attack[b] - defence[a] - advantage[i], MAX_LOG_RATE)
                rows.append((attack[a], defence[a], attack[b], defence[b], math.exp(one), math.exp(other)))
            for i in range(begin, end):
                a, b = first[i], second[i]
                one, other = relative[i][0] - rows[i][4], relative[i][1] - rows[i][5]
                if not math.isnan(one + other):
                    one, other = self.step * max(one, -MAX_SURPRISE), self.step * max(other, -MAX_SURPRISE)
                    attack[a] += one
                    defence[b] -= one
                    attack[b] += other
                    defence[a] -= other
        expected = np.array(rows).reshape(-1, 6) * np.array([1, 1, 1, 1, self.mean, self.mean])
        return Ratings(expected, np.stack([attack, defence], 1))


def starts_of(times: np.ndarray) -> np.ndarray:
    """Where each time begins in sorted times (N,), and N."""
    changes = np.flatnonzero(np.diff(times)) + 1 if len(times) else np.zeros(0, np.int64)
    return np.concatenate([[0], changes, [len(times)]]) if len(times) else np.zeros(1, np.int64)


def _mean_after_burn_in(losses: np.ndarray) -> float:
    """The mean of the losses that are numbers, without those of the first rows; infinite without any."""
    later = losses[int(BURN_IN * len(losses)) :]
    later = later[~np.isnan(later)]
    return float(later.mean()) if len(later) else math.inf
