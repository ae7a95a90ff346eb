"""The sections of the report: each a function from the evidence to what its template shows."""
