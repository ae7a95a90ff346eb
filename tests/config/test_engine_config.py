"""The engine's section: names, options held to the library's signatures, what can't be done."""

from __future__ import annotations

import importlib.util
import inspect
from typing import Any

import optuna
import pytest

from mineralsweep.config import Sweep, build, caveats
from mineralsweep.config.engine import (
    NEEDED,
    OPTUNA_PRUNERS,
    OPTUNA_SAMPLERS,
    ORACLE_OPTIONS,
    ORACLES,
    arguments,
)
from mineralsweep.engines.optuna_options import PRUNERS, SAMPLERS
from mineralsweep.errors import ConfigError

PLAIN = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "batch_size": {"low": 8, "high": 32},
}
CONDITIONAL = {"architecture": ["model2", "model2_1"], "dropout": {"low": 0.0, "high": 0.5}}


def sweep(space: dict[str, Any] | None = None, trials: int = 20, **engine: Any) -> Sweep:
    raw = {
        "question": "Are the options checked?",
        "space": {"architecture": "model2", **PLAIN, **(space or {})},
        "budget": {"trials": trials},
        "engine": engine,
    }
    return build(raw, "x.yaml")


def test_every_name_has_a_class_and_a_builder() -> None:
    assert set(SAMPLERS) == set(OPTUNA_SAMPLERS)
    assert set(PRUNERS) == set(OPTUNA_PRUNERS)
    for name in OPTUNA_SAMPLERS.values():
        assert hasattr(optuna.samplers, name)
    for name in OPTUNA_PRUNERS.values():
        assert hasattr(optuna.pruners, name)


def test_the_arguments_come_from_the_signature() -> None:
    found = arguments(optuna.samplers.NSGAIISampler, ("seed",))
    assert found["population_size"] == ("int",)
    assert found["mutation_prob"] == ("float", "None")
    assert not {"seed", "crossover", "constraints_func"} & found.keys()
    assert set(found) <= set(inspect.signature(optuna.samplers.NSGAIISampler).parameters)


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (
            {"sampler": "tpe", "sampler_options": {"n_ei_candidate": 5}},
            r"engine.sampler_options.n_ei_candidate: TPESampler takes no such option;"
            r" did you mean 'n_ei_candidates'\?",
        ),
        (
            {"sampler": "tpe", "sampler_options": {"n_ei_candidates": 2.5}},
            r"engine.sampler_options.n_ei_candidates: must be int, got 2.5",
        ),
        (
            {"sampler": "tpe", "sampler_options": {"prior_weight": 2.0}},
            r"engine.sampler_options: TPESampler: .*prior_weight.* deprecated",
        ),
        (
            {"sampler": "tpe", "sampler_options": {"seed": 3}},
            r"engine.sampler_options.seed: TPESampler takes no such option",
        ),
        (
            {"sampler": "grid", "sampler_options": {"search_space": 3}},
            r"engine.sampler_options.search_space: GridSampler takes no such option; it takes none",
        ),
        (
            {"sampler": "qmc", "sampler_options": {"qmc_type": "soboll"}},
            r"engine.sampler_options: QMCSampler: .*soboll.* Choose either `halton` or `sobol`",
        ),
        (
            {"sampler": "cmaes", "sampler_options": {"popsize": 3}},
            r"engine.sampler_options.popsize: must be at least 4, got 3",
        ),
        (
            {"sampler": "tpe", "sampler_options": 3},
            r"engine.sampler_options: must be a.* mapping, got 3",
        ),
        (
            {"pruner": "percentile", "pruner_options": {"percentile": 200.0}},
            r"engine.pruner_options: PercentilePruner: Percentile must be between 0 and 100",
        ),
        ({"pruner": "threshold"}, r"engine.pruner_options: ThresholdPruner: Either lower or upper"),
        (
            {"pruner": "patience", "pruner_options": {"patience": 3}},
            r"engine.pruner_options.patience: is engine.pruner_patience; give that one",
        ),
        (
            {"pruner": "median", "pruner_options": {"n_startup_trials": True}},
            r"engine.pruner_options.n_startup_trials: must be int, got True",
        ),
        ({"sampler": "hyperband"}, r"engine.sampler: optuna has no 'hyperband'; known: cmaes, gp"),
        (
            {"name": "keras-tuner", "sampler": "cmaes"},
            r"engine.sampler: keras-tuner has no 'cmaes'; known: bayesian, grid, hyperband, random",
        ),
        (
            {"name": "keras-tuner", "sampler": "hyperband", "sampler_options": {"factor": 1}},
            r"engine.sampler_options.factor: must be at least 2, got 1",
        ),
        (
            {"sampler": "tpe", "sampler_options": {"multivariate": False, "group": True}},
            r"engine.sampler_options: TPESampler: .*group.* only be enabled when .*multivariate",
        ),
        (
            {"name": "keras-tuner", "sampler": "hyperband", "sampler_options": {"facto": 3}},
            r"engine.sampler_options.facto: HyperbandOracle takes no such option; did you mean",
        ),
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused_with_its_place(engine: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        sweep(**engine)


def test_options_reach_the_library() -> None:
    from mineralsweep.engines.optuna_options import sampler

    assert sampler(sweep(sampler="tpe", sampler_options={"multivariate": False}), 0)
    for name in ("successive_halving", "hyperband"):
        sweep(pruner=name, pruner_options={"bootstrap_count": 3})
    built = sampler(sweep(sampler="tpe", sampler_options={"n_ei_candidates": 5}), 0)
    assert built._n_ei_candidates == 5  # type: ignore[attr-defined]
    settings = sweep(pruner="hyperband", pruner_options={"reduction_factor": 2}).engine
    assert PRUNERS["hyperband"].build(settings, 9)._reduction_factor == 2  # type: ignore[attr-defined]


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is here")
def test_gp_says_what_it_needs() -> None:
    with pytest.raises(ConfigError, match=r"engine.sampler: gp needs torch: pip install torch"):
        sweep(sampler="gp")


def test_cmaes_is_refused_where_it_can_do_nothing() -> None:
    sweep(sampler="cmaes")
    with pytest.raises(ConfigError, match=r"cmaes needs at least two ranges .* got learning_rate"):
        sweep({"batch_size": [8, 16]}, sampler="cmaes")


def test_what_a_sampler_does_not_learn_is_said() -> None:
    assert caveats(sweep(sampler="cmaes")) == []
    assert caveats(sweep(CONDITIONAL, sampler="cmaes")) == [
        "The sampler cmaes does not learn architecture, dropout: drawn at random."
    ]
    assert caveats(sweep(CONDITIONAL, sampler="qmc")) == [
        "The sampler qmc does not learn dropout: drawn at random."
    ]
    assert caveats(sweep(CONDITIONAL, sampler="tpe")) == []
    assert caveats(sweep(sampler="nsgaii"))[0].endswith("lower sampler_options.population_size.")
    assert caveats(sweep(sampler="nsgaii", sampler_options={"population_size": 5})) == []


def test_one_engines_names_stand_for_the_others() -> None:
    settings = sweep(name="keras-tuner", pruner="median")
    assert settings.engine.resolved() == "bayesian"
    assert sweep(sampler="bayesian").engine.resolved() == "tpe"
    assert caveats(settings) == [
        "keras-tuner has no sampler tpe: bayesian takes its place.",
        "KerasTuner has no pruners: engine.pruner median is not used.",
    ]
    assert caveats(sweep(name="keras-tuner", sampler="random")) == []


@pytest.mark.slow
def test_the_written_options_of_the_oracles_are_theirs() -> None:
    from keras_tuner import oracles
    from keras_tuner.src.tuners import bayesian, gridsearch, hyperband, randomsearch

    assert oracles
    modules = {"random": randomsearch, "grid": gridsearch, "bayesian": bayesian,
               "hyperband": hyperband}  # fmt: skip
    for name, options in ORACLE_OPTIONS.items():
        owner = getattr(modules[name], ORACLES[name])
        assert set(options) <= set(inspect.signature(owner).parameters)
    assert NEEDED.keys() <= OPTUNA_PRUNERS.keys() | OPTUNA_SAMPLERS.keys()
