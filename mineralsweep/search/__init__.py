"""The search: an engine asks, an executor runs, an outbox keeps, a courier delivers."""
