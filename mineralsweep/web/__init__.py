"""The server of `mineralsweep serve`: MLflow's scoring application, with a page and more routes."""
