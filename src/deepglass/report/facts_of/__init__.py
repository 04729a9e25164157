"""Answers that are aligned with a picture, or tell pictures apart, as facts of the report; a file a kind."""
