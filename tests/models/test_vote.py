"""Votes of any two architectures: `compact+colour_texture`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mineralsweep.config import Space
from mineralsweep.config.sections import Misplaced
from mineralsweep.core.hyperparameter import Hyperparameter
from mineralsweep.errors import ArchitectureError
from mineralsweep.models import get, vote
from mineralsweep.models.architecture import OF_NETWORKS


def test_a_vote_has_the_hyperparameters_of_its_members() -> None:
    both = get("colour_texture+compact")
    assert both is get("colour_texture+compact")
    assert both.voters == ("colour_texture", "compact")
    members = [get(name).hyperparameters for name in both.voters]
    assert set(both.hyperparameters) == set(members[0]) | set(members[1])
    assert (both.kind, both.learning_rate) == ("network", get("compact").learning_rate)
    assert both.build((64, 64, 3), 3, width=4, trees=9).count_params() > 0


def test_a_vote_of_estimators_is_one_and_shares_what_both_have() -> None:
    both = get("probe+colour_texture")
    assert both.kind == "estimator"
    assert not set(both.hyperparameters) & {one.name for one in OF_NETWORKS}
    assert both.image_size == get("probe").image_size
    assert list(both.hyperparameters).count("penalty") == 1


@pytest.mark.parametrize("name", ["vgg16+probe", "model2+vgg16"])
def test_a_vote_takes_the_weights_of_any_member(name: str) -> None:
    assert get(name).pretrained
    space = Space.model_validate({"architecture": name, "learning_rate": 1e-3})
    assert "vgg16" in space.backbones(name)
    assert ("efficientnet_lite0" in space.backbones(name)) == ("probe" in name)


def test_one_that_stands_twice_has_a_backbone_and_stages_for_itself_the_second_time() -> None:
    both = get("probe+probe")
    more = {*both.hyperparameters} - {*get("probe").hyperparameters}
    assert more == {"second_backbone", "second_stages"}
    assert both.hyperparameters["second_stages"].depends_on == "second_backbone"
    params = {"backbone": "mobilenetv2", "second_backbone": "vgg16", "penalty": 1.0}
    first, second = (vote.params_of(place, both.voters, params) for place in (0, 1))
    assert first == {"backbone": "mobilenetv2", "penalty": 1.0}
    assert second == {"backbone": "vgg16", "penalty": 1.0}


def test_the_second_backbone_is_searched_and_left_out_as_the_first_is() -> None:
    space = Space.model_validate(
        {
            "architecture": ["probe", "probe+probe"],
            "backbone": ["efficientnet_lite0", "mobilenetv2"],
            "second_backbone": ["vgg16", "mobilenetv2"],
            "second_stages": ["middle", "all"],
        }
    )
    assert space.backbones("probe") == ("efficientnet_lite0", "mobilenetv2")
    assert space.backbones("probe+probe") == ("efficientnet_lite0", "mobilenetv2", "vgg16")
    less = space.without_backbone("mobilenetv2")
    assert less.backbones("probe+probe") == ("efficientnet_lite0", "vgg16")
    assert "second_backbone" not in space.without("probe+probe").entries()
    with pytest.raises((Misplaced, ValueError), match="has no stage 'block3'"):
        Space.model_validate({**space.model_dump(), "second_stages": "block3"})


def test_what_can_t_vote_is_named() -> None:
    with pytest.raises(ArchitectureError, match="names compact 2 times"):
        get("compact+compact")
    with pytest.raises(ArchitectureError, match="names probe 3 times"):
        get("probe+probe+probe")
    with pytest.raises(ArchitectureError, match=r"unknown name 'compat'; did you mean 'compact'"):
        get("compat+colour_texture")
    depth = Hyperparameter("depth", "int", "of something else", default=1, low=1, high=9)
    other = replace(get("model2"), name="other", own=(depth,))
    with pytest.raises(ArchitectureError, match="things by 'depth'"):
        vote.of("compact+other", {"compact": get("compact"), "other": other}.__getitem__)
    with pytest.raises((Misplaced, ValueError), match="unknown name 'compat"):
        Space.model_validate({"architecture": ["compact", "compat+probe"]})
