"""What a node must have the same as the driver, and how it is named where it has not."""

from __future__ import annotations

from mineralsweep.executors.slot import differing, versions


def test_a_node_with_the_driver_s_versions_differs_in_nothing() -> None:
    assert differing(versions(), versions()) == []
    assert {"python", "mineralsweep", "tensorflow"} <= versions().keys()


def test_what_a_node_has_otherwise_or_lacks_is_named_with_both_versions() -> None:
    own = {"python": "3.11", "tensorflow": "2.21.0", "keras": "3.15.1"}
    theirs = {"python": "3.12", "keras": "3.15.1"}
    assert differing(own, theirs) == [
        "python 3.12 (the driver has 3.11)",
        "tensorflow none (the driver has 2.21.0)",
    ]
