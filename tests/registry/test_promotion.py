"""Champions by hand: promoted, forced, rolled back, asked for; and scores on other images."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import mlflow
import pytest
from PIL import Image

from mineralsweep.cli.main import main
from mineralsweep.config import Gate
from mineralsweep.data.dataset import open_dataset
from mineralsweep.data.settings import DataSettings
from mineralsweep.errors import InputError
from mineralsweep.registry import Versions, crowning
from mineralsweep.registry.crowning import answers_from
from mineralsweep.registry.evidence import digest_of_split
from mineralsweep.registry.files import load_classifier, verify
from mineralsweep.registry.versions import DIGEST
from mineralsweep.search.state import State
from tests import oracle, pictures
from tests.registry.test_crowning import Sweeping

pytestmark = pytest.mark.usefixtures("store_made")
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def sweeping(tmp_path: Path, make_folder: Callable[..., Path]) -> Sweeping:
    """Return sweeps that have made version 1 champion and refused version 2."""
    made = Sweeping(
        tmp_path / "models", open_dataset(DataSettings(str(make_folder(20)), "40/20/40", 0))
    )
    made.end(wrong=3)
    made.end(wrong=5)
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return the command, and what it printed."""

    def command(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(list(arguments))
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return command


def test_a_refused_version_is_refused_again_and_made_champion_by_hand(
    sweeping: Sweeping, run: Run
) -> None:
    versions = Versions(sweeping.store)
    code, said = run("promote", "2")
    assert code == 1
    assert "It is not ahead." in said
    assert "Champion stays version 1" in said
    code, said = run("promote", "2", "--force")
    assert code == 2
    assert "--force: needs --reason TEXT" in said
    code, said = run("promote", "models:/mineral-classifier/2", "--force", "--reason", "it is ours")
    assert code == 0
    assert "version 2 was promoted to @champion by hand" in said
    assert (versions.holder("champion"), versions.holder("previous")) == ("2", "1")
    assert versions.holder("challenger") == ""
    held = versions.get("2")
    assert held.tags["mineralsweep.gate.verdict"] == "forced"
    assert "mineralsweep.gate.p" not in held.tags  # that was of the refusals
    assert (held.description or "").count("**refused**") == 2
    assert (held.description or "").count("**What the gate said**") == 1
    assert "Reason given: it is ours" in (held.description or "")
    code, said = run("promote", "2", "--force", "--reason", "again")
    assert code == 2
    assert "is the champion already" in said


def test_a_rollback_brings_the_former_champion_back_and_a_second_undoes_it(
    sweeping: Sweeping, run: Run
) -> None:
    versions = Versions(sweeping.store)
    code, said = run("rollback")
    assert code == 2
    assert "no champion before version 1" in said
    run("promote", "2", "--force", "--reason", "it is ours")
    assert "replaced_by" in str(versions.get("1").tags)
    code, said = run("rollback", "--reason", "it was slow")
    assert code == 0
    assert "version 1 is @champion again. Rolled back from version 2." in said
    assert (versions.holder("champion"), versions.holder("previous")) == ("1", "2")
    assert "replaced_by" not in str(versions.get("1").tags)
    assert versions.get("1").tags["mineralsweep.gate.verdict"] == "rolled back"
    assert run("rollback")[0] == 0
    assert (versions.holder("champion"), versions.holder("previous")) == ("2", "1")


def test_the_champion_is_told_with_its_numbers_and_its_history(
    sweeping: Sweeping, run: Run
) -> None:
    code, said = run("champion")
    assert code == 0
    for words in ("version 1 is champion since", "test accuracy 0.875 [0.690, 0.957], n = 24",
                  "recall of ash", "ms an image", "opened twice in all", "challenger version 2",
                  "version 2 refused against version 1"):  # fmt: skip
        assert words in said
    told = json.loads(run("champion", "--json")[1])
    assert told["champion"]["version"] == "1"
    assert told["challenger"] == "2"
    assert [one["version"] for one in told["history"]] == ["2", "1"]


def test_the_commands_that_are_shown_name_the_model_where_it_is_not_the_default(
    sweeping: Sweeping, run: Run
) -> None:
    for wrong in (0, 3):
        sweeping.end(wrong, rules=Gate(model="slow and sure"))
    _, said = run("promote", "2", "--model", "slow and sure")
    shown = "mineralsweep promote 2 --model 'slow and sure' --force --reason TEXT"
    assert f"Past the gate: {shown}" in said
    _, said = run("rollback", "--model", "slow and sure")
    assert "mineralsweep champion --model 'slow and sure'" in said
    _, said = run("promote", "2", "--model", "slow and sure", "--force", "--reason", "ours")
    assert "Back: mineralsweep rollback --model 'slow and sure'" in said
    _, said = run("promote", "2", "--model", "slow and sure", "--force", "--reason", "ours")
    assert "see: mineralsweep champion --model 'slow and sure'" in said
    assert "mineralsweep promote 2 --force --reason TEXT" in run("promote", "2")[1]


def test_photographs_help_only_where_the_champion_knows_the_classes(
    sweeping: Sweeping, run: Run, tmp_path: Path
) -> None:
    folder = pictures.write_classes(
        tmp_path / "grown", (*sweeping.dataset.classes, "elm"), 20, first=50
    )
    grown = open_dataset(DataSettings(str(folder), "40/20/40", 0))
    crowned = sweeping.end(wrong=0, dataset=grown)
    assert crowned.decision.basis == "not comparable"
    assert "version 1 has no answer for elm" in crowned.decision.why
    code, said = run("promote", crowned.version)
    assert code == 1
    assert "--data PATH" not in said
    assert f"--model models:/mineral-classifier/{crowned.version}" in said
    assert f"mineralsweep promote {crowned.version} --force --reason TEXT" in said
    assert "mineralsweep resume" not in said  # its study is not here
    State("s", "sweep", {}).save()
    assert "mineralsweep resume s --set gate.model=NAME" in run("promote", crowned.version)[1]


def test_no_champion_and_wrong_versions_are_told(sweeping: Sweeping, run: Run) -> None:
    for arguments, words in (
        (("champion", "--model", "nobody"), "nobody: has no version yet"),
        (("promote", "9"), "mineral-classifier has no version 9; it has: 2, 1"),
        (("promote", "two"), "VERSION: must be a version's number"),
        (("promote", "models:/mineral-classifier@best"), "has the alias best"),
        (("promote", "models:/m-" + "0" * 32), "VERSION: models:/m-000"),
        (("promote", "2", "--rules", "nowhere.yaml"), "nowhere.yaml: no such sweep file"),
        (("rollback", "--model", "nobody"), "nobody has no champion"),
    ):
        code, said = run(*arguments)
        assert code == 2, said
        assert words in said
        assert "Traceback" not in said


def test_rules_of_a_file_are_taken(sweeping: Sweeping, run: Run, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("gate: {min_accuracy: 0.99}\n")
    code, said = run("promote", "2", "--rules", "rules.yaml", "--json")
    assert code == 1
    assert json.loads(said)["basis"] == "minimums"
    (tmp_path / "rules.yaml").write_text("gate: {min_acuracy: 0.99}\n")
    code, said = run("promote", "2", "--rules", "rules.yaml")
    assert code == 2
    assert "gate.min_acuracy: unknown key; did you mean 'min_accuracy'?" in said
    (tmp_path / "rules.yaml").write_text("question: Why?\n")
    assert "gate: must be given" in run("promote", "2", "--rules", "rules.yaml")[1]


def test_a_model_never_tested_is_registered_and_tested_by_promote(
    sweeping: Sweeping, run: Run, tmp_path: Path
) -> None:
    _, record = sweeping.begin(wrong=0)
    sweeping.store.log_dataset(record.run_id, sweeping.dataset, "training and validation")
    code, said = run("promote", f"models:/{record.model_id}")
    assert code == 1, said
    assert "right alone on 3 images, wrong alone on 0" in said
    held = Versions(sweeping.store).get("3")
    assert held.tags["test_accuracy"].startswith("1.000")
    opened = sweeping.store.client.get_run(record.run_id).data.tags
    assert opened["mineralsweep.test_split_openings"] == "1"


def test_a_model_whose_data_is_unknown_or_changed_is_not_tested(
    sweeping: Sweeping, run: Run
) -> None:
    _, record = sweeping.begin(wrong=0)
    code, said = run("promote", f"models:/{record.model_id}")
    assert code == 2
    assert "its run does not tell on which data" in said
    sweeping.store.log_dataset(record.run_id, sweeping.dataset, "training and validation")
    next((Path(sweeping.dataset.source) / "ash").iterdir()).unlink()
    code, said = run("promote", f"models:/{record.model_id}")
    assert code == 2
    assert "holds other images than when" in said


def test_a_folder_named_like_a_built_in_source_is_that_folder(
    sweeping: Sweeping, run: Run, tmp_path: Path
) -> None:
    folder = pictures.write_classes(tmp_path / "sample", sweeping.dataset.classes, 10, first=50)
    dataset = open_dataset(DataSettings(str(folder), "40/20/40", 0))
    _, record = sweeping.begin(wrong=0, dataset=dataset)
    sweeping.store.log_dataset(record.run_id, dataset, "training and validation")
    _, said = run("promote", f"models:/{record.model_id}", "--model", "other")
    assert "version 1 was promoted to @champion" in said


def test_evaluating_the_test_split_counts_and_a_logged_model_s_own_images_are_left_out(
    sweeping: Sweeping, run: Run
) -> None:
    digest = digest_of_split(sweeping.dataset)
    before = sweeping.store.openings(digest)
    assert run("evaluate", sweeping.dataset.source)[0] == 0
    assert sweeping.store.openings(digest) == before + 1
    _, record = sweeping.begin(wrong=0)
    sweeping.store.log_dataset(record.run_id, sweeping.dataset, "training and validation")
    model = f"models:/{record.model_id}"
    code, said = run("evaluate", sweeping.dataset.source, "--model", model, "--json")
    assert code == 0, said
    assert (json.loads(said)["learned"], json.loads(said)["tested"]) == (36, 24)
    assert sweeping.store.openings(digest) == before + 2


def test_what_is_called_the_latest_is_compared_too(sweeping: Sweeping) -> None:
    Versions(sweeping.store).tag("2", {DIGEST: "0" * 64})
    for name in ("2", "latest", "@challenger"):
        uri = "models:/mineral-classifier" + (name if name[0] == "@" else f"/{name}")
        with pytest.raises(InputError, match="not those that were registered"):
            load_classifier(uri)
    assert "its files are those" in verify("models:/mineral-classifier@champion")


def test_a_champion_that_cannot_be_loaded_any_more_is_not_compared(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = answers_from(Versions(sweeping.store), sweeping.dataset.catalog)
    images = [image.digest for image in sweeping.dataset.catalog.images[:2]]
    assert len(answers("1", images)) == 2

    def fails(error: Exception) -> None:
        def open_folder(_: Path) -> None:
            raise error

        monkeypatch.setattr(crowning, "open_folder", open_folder)

    for error in (ValueError("made with version 1"), TypeError("no such layer")):
        fails(error)
        assert answers("1", images) == {}

    def away(*_: object, **__: object) -> None:
        raise ConnectionError("no answer")

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", away)
    with pytest.raises(ConnectionError, match="no answer"):
        answers("1", images)


def test_evaluate_leaves_out_what_the_model_learned_from(
    sweeping: Sweeping, run: Run, tmp_path: Path
) -> None:
    code, said = run("evaluate", sweeping.dataset.source)
    assert code == 0
    assert "accuracy 0.875 [0.690, 0.957], n = 24" in said
    assert "36 images are left out: it has learned from them" in said
    assert "24 of these images are in its test split" in said
    more = pictures.write_classes(tmp_path / "more", sweeping.dataset.classes, 2, first=50)
    images = open_dataset(DataSettings(str(sweeping.dataset.source), "40/20/40", 0)).catalog.images
    said_of = {image.digest: image.label for image in images}
    from tests.pictures import catalog_of

    said_of |= {image.digest: image.label for image in catalog_of(more).images}
    model = oracle.log(sweeping.store, tmp_path / "all", sweeping.dataset.classes, said_of)
    code, said = run("evaluate", str(more), "--model", f"models:/{model}", "--json")
    assert code == 0
    told = json.loads(said)
    assert told["scores"]["accuracy"]["n"] == 6
    assert told["learned"] is None


def test_evaluate_leaves_out_copies_of_what_the_model_learned_from(
    sweeping: Sweeping, run: Run, tmp_path: Path
) -> None:
    grown = tmp_path / "grown"
    shutil.copytree(sweeping.dataset.source, grown)
    images = sweeping.dataset.catalog.images
    learned = images[sweeping.dataset.split.train[0]]
    with Image.open(learned.path) as image:
        image.resize((image.width * 2, image.height * 2)).save(grown / learned.label / "copy.png")
    code, said = run("evaluate", str(grown), "--json")
    assert code == 0, said
    told = json.loads(said)
    assert (told["scores"]["accuracy"]["n"], told["learned"]) == (24, 37)


@pytest.mark.parametrize(
    ("column", "asked"), [("group", []), ("stone", ["--set", "data.groups={column: stone}"])]
)
def test_evaluate_takes_a_table_s_group_for_one_witness(
    column: str, asked: list[str], sweeping: Sweeping, run: Run, tmp_path: Path
) -> None:
    images = [sweeping.dataset.catalog.images[row] for row in sweeping.dataset.split.test]
    lines = [f"{one.path},{one.label},{number % 8}" for number, one in enumerate(images)]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join([f"file,label,{column}", *lines]))
    code, said = run("evaluate", str(table), "--json", *asked)
    assert code == 0, said
    scores = json.loads(said)["scores"]
    assert scores["accuracy"]["n"] == 24
    assert scores["accuracy"]["low"] < 0.6  # of 24 independent images: 0.690
    assert scores["independent"] < 1
