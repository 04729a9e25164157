"""Endings of the files that are read as images, audio and videos, in small letters."""

import os

IMAGES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".webp", ".avif", ".jp2", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
AUDIO = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".au", ".opus")
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv")
KINDS = {"image": IMAGES, "audio": AUDIO, "video": VIDEOS}


def media_kind(name: str) -> str | None:
    """ "image", "audio" or "video" by the ending of a file's name, else None."""
    suffix = os.path.splitext(name)[1].lower()
    return next((kind for kind, endings in KINDS.items() if suffix in endings), None)
