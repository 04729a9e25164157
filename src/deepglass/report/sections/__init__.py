"""The parts of a report, one file each: `panel(facts) -> Panel | None`, None where its facts are missing."""
