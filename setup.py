"""What pyproject.toml can't say: the folder sweeps/ is a part of the package."""

from setuptools import find_namespace_packages, setup

FOUND = find_namespace_packages(
    include=["mineralsweep", "mineralsweep.*"], exclude=["*.__pycache__"]
)

setup(packages=[*FOUND, "mineralsweep.sweeps"], package_dir={"mineralsweep.sweeps": "sweeps"})
