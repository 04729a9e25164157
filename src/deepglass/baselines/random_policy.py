"""The baseline of an agent: actions drawn at random."""

import numpy as np

from deepglass.data.environments import Environment, return_stats, run_episodes
from deepglass.objectives._agents import TEST_SEED

EPISODES = 50


def random_policy(environment: Environment, episodes: int = EPISODES) -> dict[str, float]:
    """Metrics of episodes whose actions are drawn at random, the same at each call."""
    random = np.random.default_rng(0)

    def act(observations: np.ndarray) -> np.ndarray:
        if environment.actions:
            return random.integers(0, environment.actions, len(observations))
        low, high = np.array(environment.low, np.float32), np.array(environment.high, np.float32)
        bounded = np.isfinite(low) & np.isfinite(high)
        size = (len(observations), len(low))
        return random.uniform(np.where(bounded, low, -1), np.where(bounded, high, 1), size).astype(np.float32)

    return return_stats(run_episodes(environment, act, episodes, TEST_SEED))
