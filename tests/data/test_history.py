"""Each entity's own past: strictly earlier rows, ratings, former names, and rows that continue a history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from entity_tables import league, table_of

from deepglass.data.history_columns import score_pairs
from deepglass.data.transforms.history import EntityHistory
from deepglass.errors import SourceError, SpecError

TEAMS = ("home", "away")
MATCH: dict[str, Any] = {"entities": TEAMS, "time": "day", "columns": ("home_goals", "away_goals")}


def fitted(frame: pl.DataFrame, **settings: Any) -> EntityHistory:
    history = EntityHistory(**{**MATCH, **settings})
    return history.fit_split(table_of(frame), np.arange(len(frame)))


def added(history: EntityHistory, frame: pl.DataFrame) -> dict[str, Any]:
    table = history.apply(table_of(frame))
    return {n: raw for n, raw in table.columns.items() if n not in frame.columns}


def test_the_past_of_a_team_is_its_last_rows_in_either_role() -> None:
    frame = league()
    columns = added(fitted(frame, last=4), frame)
    row, team = 100, frame["home"][100]
    earlier = frame.filter((pl.col("day") < frame["day"][row]) & ((pl.col("home") == team) | (pl.col("away") == team)))
    own = [r["home_goals"] if r["home"] == team else r["away_goals"] for r in earlier.iter_rows(named=True)]
    other = [r["away_goals"] if r["home"] == team else r["home_goals"] for r in earlier.iter_rows(named=True)]
    steps = np.array(columns["home_history"][row].to_list())
    assert steps[:, 0].tolist() == own[-4:]
    assert steps[:, 1].tolist() == other[-4:]
    assert columns["home_mean_goals"][row] == pytest.approx(np.mean(own[-4:]))
    assert columns["home_past_rows"][row] == len(own)


def test_rows_of_one_time_do_not_know_each_other() -> None:
    frame = pl.concat([league(3), league(3, seed=1)])  # each team plays twice a day
    columns = added(fitted(frame), frame)
    assert set(columns["home_past_rows"].tolist()) == {0, 2, 4}


def test_changing_the_future_changes_no_past_row() -> None:
    frame = league()
    history = fitted(frame)
    before = pl.col("day") <= 30
    later = frame.with_columns(pl.when(before).then("home_goals").otherwise(9).alias("home_goals"))
    changed = history._past_of(table_of(later))
    original = history.apply(table_of(frame.filter(before)))
    other = replace(history, past_=changed).apply(table_of(frame.filter(before)))
    for name, raw in original.columns.items():
        assert pl.Series(raw).equals(pl.Series(other[name])), name


def test_settings_of_ratings_come_from_the_training_rows_alone() -> None:
    frame = league()
    train = np.flatnonzero(frame["day"].to_numpy() < 40)
    later = frame.with_columns(pl.when(pl.col("day") < 40).then("home_goals").otherwise(9).alias("home_goals"))
    fits = [EntityHistory(**MATCH).fit_split(table_of(f), train) for f in (frame, later)]
    assert fits[0].elo_ == fits[1].elo_
    assert fits[0].rates_ == fits[1].rates_


def test_ratings_order_the_teams_and_predict_the_scores() -> None:
    frame = league(200)
    columns = added(fitted(frame), frame)
    last = frame["day"].to_numpy() >= 150
    rating = {t: columns["home_rating"][last & (frame["home"] == t).to_numpy()].mean() for t in frame["home"].unique()}
    assert sorted(rating, key=lambda t: -rating[t]) == [f"team {i}" for i in range(6)]
    goals = frame["home_goals"].to_numpy()[last]
    assert np.corrcoef(columns["home_expected_goals"][last], goals)[0, 1] > 0.4


def test_new_rows_continue_the_history() -> None:
    frame = league()
    history = fitted(frame.filter(pl.col("day") < 50))
    late = frame.filter(pl.col("day") >= 50)
    together, apart = added(fitted(frame), late), added(history, late)
    assert (together["home_past_rows"] == apart["home_past_rows"]).all()
    coming = pl.DataFrame({"home": ["team 0"], "away": ["team 9"], "day": [None]}, schema_overrides={"day": pl.Int64})
    columns = added(history, coming)
    assert columns["home_past_rows"].tolist() == [50]
    assert columns["away_past_rows"].tolist() == [0]
    assert columns["away_rating"].tolist() == [0.0]
    assert list(history.count_anomalies(table_of(coming)).values()) == [1]


def test_one_entity_column_with_categories_dates_and_missing_values() -> None:
    orders = pl.DataFrame(
        {
            "customer": ["a", "a", "b", None, "a"],
            "bought": ["2024-01-01", "2024-01-03", "2024-01-03", "2024-01-04", "2024-01-10"],
            "amount": [10.0, None, 5.0, 1.0, 30.0],
            "channel": ["web", "shop", "web", "web", "shop"],
        }
    )
    history = EntityHistory(entities=("customer",), time="bought", columns=("amount", "channel"))
    columns = added(history.fit_split(table_of(orders), np.arange(5)), orders)
    assert columns["customer_days_since_last"].tolist()[1] == 2.0
    assert columns["customer_mean_amount"][4] == 10.0
    assert columns["customer_mean_channel_web"][4] == 0.5
    assert columns["customer_past_rows"].tolist() == [0, 1, 0, 0, 2]
    assert columns["customer_history"][3] is None


def test_renamed_entities_keep_their_past(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("current,former\nteam 0,old team\nteam 1,x\n")
    frame = league(10)
    before = [pl.when(pl.col("day") < 5).then(pl.col(c).replace("team 0", "old team")).otherwise(c) for c in TEAMS]
    old = frame.with_columns(name.alias(c) for c, name in zip(TEAMS, before, strict=True))
    columns = added(fitted(old, former_names=str(tmp_path / "names.csv")), old)
    assert (columns["home_past_rows"] == added(fitted(frame), frame)["home_past_rows"]).all()


def test_pairs_are_recognised_by_the_words_that_differ() -> None:
    assert [p[:] for p in score_pairs(["home_team", "away_team"], ["home_score", "away_score", "city"])] == [
        ("score", "home_score", "away_score")
    ]
    assert score_pairs(["HomeTeam", "AwayTeam"], ["HomeGoals", "AwayGoals"])[0].name == "Goals"
    assert score_pairs(["home", "away"], ["home_score", "visits"]) == []
    assert score_pairs(["buyer"], ["buyer_score"]) == []


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"columns": ("home_gols",)}, "unknown-column", "did you mean 'home_goals'"),
        ({"time": "dat"}, "unknown-column", "did you mean 'day'"),
        ({"entities": ("home", "awai")}, "unknown-column", "did you mean 'away'"),
        ({"time": "home"}, "bad-value", "expected dates or numbers"),
        ({"rating_outcome": "home_goals"}, "bad-value", "expected win, draw and loss"),
        ({"columns": ("home", "many")}, "bad-value", "180 different values; expected numbers, or categories"),
    ],
)
def test_wrong_settings_are_told(settings: dict[str, Any], code: str, message: str) -> None:
    frame = league().with_columns(many=pl.Series([f"x{i}" for i in range(180)]))
    with pytest.raises((SourceError, SpecError), match=message) as error:
        fitted(frame, **settings)
    assert error.value.code == code
    assert "data.history" in error.value.message


def test_numbers_where_training_had_dates_are_an_error() -> None:
    frame = league().with_columns(day=pl.date(2020, 1, 1) + pl.duration(days="day"))
    with pytest.raises(SourceError, match="expected dates as in training"):
        fitted(frame).apply(table_of(league(2)))
