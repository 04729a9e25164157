"""Short forms of settings: `time=60s` for `training.time=60s`."""

ALIASES = {
    "time": "training.time",
    "epochs": "training.epochs",
    "steps": "training.steps",
    "seed": "training.seed",
    "device": "training.device",
    "optimizer": "training.optimizer",
    "split": "data.split",
    "ignore": "data.ignore",
    "fix": "data.fix",
    "columns": "data.columns",
    "filename_pattern": "data.filename_pattern",
    "sheet": "data.sheet",
    "sample_weight": "data.sample_weight",
    "test": "data.test",
    "labels": "data.label_corrections",
    "init_from": "network.init_from",
    "data_root": "data.data_root",
}
"""Short form on the command line and in Python -> path of the setting."""
