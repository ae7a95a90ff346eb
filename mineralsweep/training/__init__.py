"""One trial as a pure function: TrialSpec -> TrialResult."""
