"""The command line. What takes long to import is loaded at first use, so that `deepglass --help` is fast."""

from importlib import import_module
from typing import Any

_HOMES = {
    "ProgressBar": "deepglass.cli.progress",
    "check_ending": "deepglass.run.embedding",
    "describe_settings": "deepglass.spec.describe_settings",
    "generates_text": "deepglass.generation",
    "listing": "deepglass.catalogue",
    "next_commands": "deepglass.serve.queue",
    "paint_files": "deepglass.styling",
    "pack": "deepglass.run.storage.pack",
    "plain_bytes": "deepglass.formatting",
    "predict_words": "deepglass.word_vectors",
    "resume_together": "deepglass.cli.launch",
    "resume_command": "deepglass.run.storage.manifest",
    "serve_label": "deepglass.serve.label",
    "show": "deepglass.cli.show",
    "spec_schema": "deepglass.spec.schema",
    "write_predictions": "deepglass.run.write_predictions",
    "train_together": "deepglass.cli.launch",
    "TABLES": "deepglass.run.write_predictions",
    "write_table": "deepglass.run.write_predictions",
    "write_texts": "deepglass.run.write_predictions",
    "write_vectors": "deepglass.run.embedding",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'deepglass.cli' has no attribute {name!r}")
    module = import_module(_HOMES[name])
    return module if name == "show" else getattr(module, name)
