"""The `mineralsweep` command: argument parsing and progress, nothing else."""

from mineralsweep.cli.main import main

__all__ = ["main"]
