"""Ratings of two entities as columns: Elo points and expected outcome, attack, defence and expected scores."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl

from deepglass.data.history_columns import ScorePair
from deepglass.data.past_rows import OUTCOME, TIME, codes_of, meetings_of, scores_of
from deepglass.data.ratings import Elo, ScoringRates
from deepglass.features.base import Raw


@dataclass(frozen=True)
class PairRatings:
    """Fitted ratings.

    Args:
        entities: the two columns of entities.
        pairs: of columns with scores; a larger difference in the first moves Elo's points further.
        elo: settings of `Elo`, and "margin", the mean difference; None: no outcome is stated.
        rates: name of a pair -> settings of `ScoringRates`.
    """

    entities: Sequence[str]
    pairs: Sequence[ScorePair]
    elo: dict[str, float] | None
    rates: dict[str, dict[str, float]]

    @staticmethod
    def fit(entities: Sequence[str], pairs: Sequence[ScorePair], past: pl.DataFrame) -> "PairRatings":
        """Settings of the largest likelihood.

        Args:
            past: the training rows, in order of time.
        """
        meetings = meetings_of(past, codes_of([past], entities)[0])
        margin = float(np.nan_to_num(np.nanmean(_margins(past, pairs)))) if len(past) else 0.0
        outcomes, elo = past[OUTCOME].to_numpy(), None
        if not np.isnan(outcomes).all():
            elo = asdict(Elo.fit(meetings, outcomes, _weights(past, pairs, margin))) | {"margin": margin}
        rates = {pair.name: ScoringRates.fit(meetings, scores_of(past, pair)) for pair in pairs}
        return PairRatings(entities, pairs, elo, {name: asdict(fit) for name, fit in rates.items() if fit is not None})

    def columns(
        self, past: pl.DataFrame, queries: pl.DataFrame, past_codes: np.ndarray, codes: np.ndarray
    ) -> tuple[np.ndarray | None, dict[str, Raw]]:
        """Elo points of both entities before each past row, (P, 2), and the columns of ratings of the queried rows.

        Args:
            past_codes, codes: (P, 2), (N, 2) numbers of the entities; -1: none.
        """
        both = pl.concat([past, queries], how="diagonal")
        order = np.argsort(both[TIME].to_numpy(), kind="stable")
        meetings, back = meetings_of(both[order], np.concatenate([past_codes, codes])[order]), np.argsort(order)
        first, second = self.entities
        columns: dict[str, Raw] = {}
        points = None
        if self.elo is not None:
            weights = _weights(both, self.pairs, self.elo["margin"])
            elo = Elo(self.elo["step"], self.elo["advantage"])
            outcomes = both[OUTCOME].fill_null(np.nan).to_numpy()
            rows = elo.run(meetings, outcomes[order], weights[order]).rows[back]
            points, (a, b, expected) = rows[: len(past), :2], rows[len(past) :].T
            columns |= {f"{first}_rating": a, f"{second}_rating": b, "expected_outcome": expected}
        for pair in self.pairs:
            if (settings := self.rates.get(pair.name)) is None:
                continue
            names = [f"{e}_{what}_{pair.name}" for e in self.entities for what in ("attack", "defence")]
            names += [f"{e}_expected_{pair.name}" for e in self.entities]
            rows = ScoringRates(**settings).run(meetings, scores_of(both, pair)[order]).rows[back]
            columns |= dict(zip(names, rows[len(past) :].T, strict=True))
        return points, columns


def _margins(frame: pl.DataFrame, pairs: Sequence[ScorePair]) -> np.ndarray:
    """The difference of the first scores of each row, (N,); NaN where it is not stated."""
    if not pairs:
        return np.full(len(frame), np.nan)
    scores = scores_of(frame, pairs[0])
    return np.abs(scores[:, 0] - scores[:, 1])


def _weights(frame: pl.DataFrame, pairs: Sequence[ScorePair], margin: float) -> np.ndarray:
    """Factors of the rating's step, (N,): 1 for even scores, more for larger differences."""
    return 1 + np.log1p(np.nan_to_num(_margins(frame, pairs)) / (margin or 1.0))
