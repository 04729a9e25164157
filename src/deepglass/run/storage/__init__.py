"""The run folder as files: what belongs to it, its lock, manifest and stages."""
