"""Programs of the documentation, and programs in an interpreter of their own."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]


def python_blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf8"), re.DOTALL)


def run(script: str, *parts: str, **environment: str) -> str:
    """Runs a script in an interpreter of its own that turns warnings into errors; returns what it printed."""
    text = "\n".join(textwrap.dedent(part) for part in (script, *parts))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.strip()


def run_without(hidden: tuple[str, ...], code: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Runs code in an interpreter in which some packages are missing."""
    hide = f"import sys; sys.modules.update(dict.fromkeys({hidden!r}))\n"
    return subprocess.run(
        [sys.executable, "-c", hide + code], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
