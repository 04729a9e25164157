"""Small tables of entities with a past."""

import numpy as np
import polars as pl

from deepglass.data.table import Table


def league(rounds: int = 60, teams: int = 6, seed: int = 0) -> pl.DataFrame:
    """Matches of teams whose strength falls with their number, several a day."""
    random = np.random.default_rng(seed)
    rows = []
    for day in range(rounds):
        order = random.permutation(teams)
        for a, b in order.reshape(-1, 2):
            goals = random.poisson(np.exp(np.array([b - a, a - b]) * 0.25 + np.array([0.4, 0.1])))
            rows.append((day, f"team {a}", f"team {b}", *goals.tolist()))
    return pl.DataFrame(rows, ["day", "home", "away", "home_goals", "away_goals"], orient="row")


def table_of(frame: pl.DataFrame) -> Table:
    return Table({name: frame[name] for name in frame.columns})
