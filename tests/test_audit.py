"""The audit fails for a vulnerability, and for nothing else."""

from __future__ import annotations

import json
import sys

import pytest

from tests import audit


def speaking(text: str, code: int = 0) -> tuple[str, ...]:
    return sys.executable, "-c", f"print({text!r}); raise SystemExit({code})"


SOUND = {"name": "kind", "version": "1.0", "vulns": []}
ILL = {
    "name": "wild", "version": "2.0",
    "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}, {"id": "CVE-2", "fix_versions": []}],
}  # fmt: skip


def test_a_vulnerability_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(speaking(json.dumps({"dependencies": [SOUND, ILL]}), 1)) == 1
    told = capsys.readouterr().out
    assert told == "wild 2.0: CVE-1 (mended in 2.1); CVE-2 (mended in no version)\n"


def test_none_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(speaking(json.dumps({"dependencies": [SOUND, SOUND]}))) == 0
    assert capsys.readouterr().out == "No known vulnerability in 2 packages.\n"


def test_skipped_packages_are_not_called_sound(capsys: pytest.CaptureFixture[str]) -> None:
    skipped = {"name": "own", "skip_reason": "not found"}
    assert audit.main(speaking(json.dumps({"dependencies": [SOUND, skipped]}))) == 0
    assert "in 1 packages; 1 not looked up." in capsys.readouterr().out
    assert audit.main(speaking(json.dumps({"dependencies": [skipped, skipped]}))) == 0
    assert "were not looked up: the package index has no answer" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "ERROR: 503 of https://somewhere", "[]", "{}"])
def test_a_service_out_of_reach_is_said_in_one_line(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main(speaking(text, 1)) == 0
    told = capsys.readouterr().out
    assert told == (
        "Known vulnerabilities were not looked up: the vulnerability service can't be reached.\n"
    )


def test_a_slow_service_is_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    slow = (sys.executable, "-c", "import time; time.sleep(60)")
    assert audit.main(slow, 0.2) == 0
    assert "no answer within 0 s" in capsys.readouterr().out
