"""Orders of customers: `synthetic:orders`, a table whose target only each customer's own past tells."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from deepglass.data.table import Note, Table

ROWS, CUSTOMERS = 12_000, 800
START, DAYS = datetime(2023, 1, 1), 720
CHANNELS = ("web", "shop", "app")


def orders(rows: int = ROWS, seed: int = 0) -> Table:
    """Orders of customers in two years; whether an order is returned depends on the customer's habit, which changes."""
    random = np.random.default_rng(seed)
    activity = random.gamma(0.8, 1, CUSTOMERS)
    customer = random.choice(CUSTOMERS, rows, p=activity / activity.sum())
    day = np.sort(random.uniform(0, DAYS, rows))
    habit, changes_at = random.beta(0.5, 0.9, (2, CUSTOMERS)), random.uniform(0, 2 * DAYS, CUSTOMERS)
    mean_amount = random.lognormal(3.5, 0.6, CUSTOMERS)
    amount = np.round(mean_amount[customer] * random.lognormal(0, 0.35, rows), 2)
    later = (day > changes_at[customer]).astype(int)
    returned = random.random(rows) < np.clip(habit[later, customer] + 0.1 * (amount > 60), 0, 1)
    columns = {
        "customer": pl.Series([f"C{i:04d}" for i in customer]),
        "ordered_at": pl.Series([START + timedelta(days=float(d)) for d in day]).dt.truncate("1m"),
        "amount": pl.Series(amount),
        "channel": pl.Series(random.choice(CHANNELS, rows, p=[0.6, 0.25, 0.15])),
        "returned": pl.Series(returned),
    }
    note = Note("generated", f"{rows:,} orders of {CUSTOMERS} customers", f"seed {seed}")
    return Table(columns, "synthetic:orders", (note,), target="returned")
