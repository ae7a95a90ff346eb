"""The engine's section of a sweep file: who proposes trials, and who cuts them short."""

from __future__ import annotations

import importlib.util
import inspect
import warnings
from collections.abc import Collection, Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from mineralsweep.config.sections import Misplaced, Strict
from mineralsweep.errors import did_you_mean

OPTUNA_SAMPLERS = {
    "tpe": "TPESampler",
    "random": "RandomSampler",
    "grid": "GridSampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "qmc": "QMCSampler",
    "nsgaii": "NSGAIISampler",
}
OPTUNA_PRUNERS = {
    "none": "NopPruner",
    "median": "MedianPruner",
    "percentile": "PercentilePruner",
    "successive_halving": "SuccessiveHalvingPruner",
    "hyperband": "HyperbandPruner",
    "patience": "PatientPruner",
    "threshold": "ThresholdPruner",
    "wilcoxon": "WilcoxonPruner",
}
ORACLES = {
    "random": "RandomSearchOracle",
    "grid": "GridSearchOracle",
    "bayesian": "BayesianOptimizationOracle",
    "hyperband": "HyperbandOracle",
}
ORACLE_OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    # Written down, for KerasTuner has no annotations, and importing it loads TensorFlow.
    "random": {},
    "grid": {},
    "bayesian": {"num_initial_points": ("int",), "alpha": ("float",), "beta": ("float",)},
    "hyperband": {"factor": ("int",), "hyperband_iterations": ("int",)},
}
KNOWN: dict[str, dict[str, str]] = {"optuna": OPTUNA_SAMPLERS, "keras-tuner": ORACLES}
"""Engine -> its samplers, and the library's classes for them; empty: it has one way to propose."""

ALIKE = {
    ("keras-tuner", "tpe"): "bayesian",
    ("keras-tuner", "gp"): "bayesian",
    ("optuna", "bayesian"): "tpe",
}
"""What stands for a sampler that only the other engine has: both learn from earlier trials."""

KEPT = ("seed", "warn_independent_sampling", "warn_asynchronous_seeding", "search_space")
NEEDED: dict[str, dict[str, Any]] = {
    "tpe": {"multivariate": True},
    "successive_halving": {"min_resource": 1},
    "hyperband": {"max_resource": 9},
    "percentile": {"percentile": 25.0},
    "patience": {"wrapped_pruner": None, "patience": 5},
}
"""What a sampler or a pruner can't be built without, or gets from us: some options need it."""

SMALLEST = {
    "factor": 2, "hyperband_iterations": 1, "num_initial_points": 1, "alpha": 0, "beta": 0,
    "popsize": 4,
}  # fmt: skip
"""Of options for which KerasTuner and CMA-ES say nothing, or only in the midst of the search."""

PLAIN: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "None": (type(None),),
}
"""The kinds of values that a sweep file holds, by the names of their annotations."""

Kinds = dict[str, tuple[str, ...]]


class Engine(Strict):
    """Who proposes trials (`sampler`) and who cuts them short (`pruner`).

    Attributes:
        sampler_options, pruner_options: arguments of the library's own classes, by their names.
        pruner_patience: epochs without a better value; the pruner `patience` alone has it.
        startup_trials: before the samplers and pruners that learn trust what they have seen.
    """

    name: str = "optuna"
    sampler: Literal[
        "tpe", "random", "grid", "gp", "cmaes", "qmc", "nsgaii", "bayesian", "hyperband"
    ] = "tpe"
    sampler_options: dict[str, Any] = Field(default_factory=dict)
    pruner: Literal[
        "none",
        "median",
        "percentile",
        "successive_halving",
        "hyperband",
        "patience",
        "threshold",
        "wilcoxon",
    ] = "median"
    pruner_options: dict[str, Any] = Field(default_factory=dict)
    pruner_patience: int = Field(default=5, ge=1)
    startup_trials: int = Field(default=5, ge=1)

    @model_validator(mode="after")
    def _patience_has_its_pruner(self) -> Self:
        if "pruner_patience" in self.model_fields_set and self.pruner != "patience":
            raise Misplaced(
                "pruner_patience",
                f"the pruner {self.pruner} does not use it, got {self.pruner_patience};"
                " leave it out, or set engine.pruner to patience",
            )
        if self.pruner == "patience" and "patience" in self.pruner_options:
            raise Misplaced("pruner_options.patience", "is engine.pruner_patience; give that one")
        return self

    @field_validator("name")
    @classmethod
    def _known_engine(cls, name: str) -> str:
        if name not in KNOWN:
            raise ValueError(f"unknown value '{name}'{did_you_mean(name, KNOWN)}")
        return name

    @model_validator(mode="after")
    def _sampler_can_be_had(self) -> Self:
        known = KNOWN[self.name]
        if known and self.resolved() not in known:
            raise Misplaced(
                "sampler", f"{self.name} has no '{self.sampler}'{did_you_mean(self.sampler, known)}"
            )
        package = {"gp": "torch", "cmaes": "cmaes"}.get(self.resolved())
        if package and importlib.util.find_spec(package) is None:
            raise Misplaced("sampler", f"{self.sampler} needs {package}: pip install {package}")
        return self

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        kind, options = self.resolved(), self.sampler_options
        if self.name == "keras-tuner":
            check_options("sampler_options", ORACLES[kind], ORACLE_OPTIONS[kind], options)
        elif self.name == "optuna" and options:
            _check_class("sampler_options", OPTUNA_SAMPLERS[kind], kind, options)
        for name, least in SMALLEST.items():
            if options.get(name) is not None and options[name] < least:
                raise Misplaced(
                    f"sampler_options.{name}", f"must be at least {least}, got {options[name]}"
                )
        if self.pruner_options or self.pruner == "threshold":
            pruner = OPTUNA_PRUNERS[self.pruner]
            _check_class("pruner_options", pruner, self.pruner, self.pruner_options)
        return self

    def resolved(self) -> str:
        """Return the sampler that this engine runs: the one named, or what stands for it."""
        return ALIKE.get((self.name, self.sampler), self.sampler)


def _check_class(place: str, owner: str, kind: str, options: dict[str, Any]) -> None:
    """Hold options to an Optuna class, and build it once: it checks their ranges itself.

    Raises:
        Misplaced: an unknown or outdated option, or a value that the class refuses.
    """
    import optuna  # not above: a file without options is checked without loading it

    found = getattr(optuna.samplers, owner, None) or getattr(optuna.pruners, owner)
    # The grid is walked here, so none of its sampler's own arguments has a meaning.
    known = {} if owner == "GridSampler" else arguments(found, KEPT)
    check_options(place, owner, known, options)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", FutureWarning)  # what the library will take away
            found(**{**NEEDED.get(kind, {}), **options})
    except (ValueError, TypeError, FutureWarning) as error:
        raise Misplaced(place, f"{owner}: {' '.join(str(error).split())}") from None


def arguments(owner: type, kept: Collection[str] = ()) -> Kinds:
    """Return the arguments of a class that a sweep file can give: name -> kinds of value.

    Args:
        owner: the class.
        kept: the arguments that this package sets itself.
    """
    found: Kinds = {}
    for name, parameter in inspect.signature(owner).parameters.items():
        annotation = parameter.annotation
        text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        kinds = tuple(part.strip() for part in text.split("|") if part.strip() in PLAIN)
        if name not in kept and kinds not in ((), ("None",)):
            found[name] = kinds
    return found


def check_options(place: str, owner: str, known: Kinds, options: Mapping[str, Any]) -> None:
    """Hold options to what a class takes.

    Args:
        place: in the sweep file, such as "sampler_options".
        owner: the class's name, for the message.
        known: see `arguments`.
        options: as they were read from the file.

    Raises:
        Misplaced: an unknown name, or a value of the wrong kind.
    """
    for name, value in options.items():
        if name not in known:
            hint = did_you_mean(str(name), known) if known else "; it takes none"
            raise Misplaced(f"{place}.{name}", f"{owner} takes no such option{hint}")
        if not any(_is(value, kind) for kind in known[name]):
            kinds = " or ".join(known[name])
            raise Misplaced(f"{place}.{name}", f"must be {kinds}, got {value!r}")


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "bool"
    return isinstance(value, PLAIN[kind])
