"""Checks of the data: one file per kind of finding, on a `DataContext`."""
