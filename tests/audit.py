"""Known vulnerabilities of what is installed: python -m tests.audit

Exit code 1 where one is found; 0, with a line that says so, where the service can't be asked.
"""

from __future__ import annotations

import json
import subprocess
import sys

SECONDS = 120
COMMAND = (
    sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--format", "json",
    "--progress-spinner", "off", "--timeout", "10",
)  # fmt: skip


def main(command: tuple[str, ...] = COMMAND, seconds: float = SECONDS) -> int:
    """Ask pip-audit, and say what it found in a line a package."""
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return _not_asked(f"no answer within {seconds:.0f} s")
    try:
        packages = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        # Its last words name the address that it asked; they are the network's matter.
        return _not_asked("the vulnerability service can't be reached")
    # Where the index holds no vulnerabilities, pip-audit skips every package and is content.
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        return _not_asked("the package index has no answer for any package")
    found = [
        f"{package['name']} {package.get('version', '')}: {_told(package['vulns'])}"
        for package in known
        if package.get("vulns")
    ]
    skipped = f"; {len(packages) - len(known)} not looked up" if len(known) < len(packages) else ""
    print("\n".join(found) or f"No known vulnerability in {len(known)} packages{skipped}.")
    return 1 if found else 0


def _told(vulnerabilities: list[dict[str, object]]) -> str:
    parts = []
    for one in vulnerabilities:
        fixed = one.get("fix_versions")
        mended = ", ".join(map(str, fixed)) if isinstance(fixed, list) and fixed else "no version"
        parts.append(f"{one['id']} (mended in {mended})")
    return "; ".join(parts)


def _not_asked(reason: str) -> int:
    print(f"Known vulnerabilities were not looked up: {reason}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
