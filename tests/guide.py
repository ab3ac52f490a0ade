"""The optimizer of `docs/writing-an-optimizer.md` as a package, installed by pip into a folder of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "writing-an-optimizer.md"
_TEXT = GUIDE.read_text(encoding="utf-8")
GUIDE_CODE = re.findall(r"```python\n(.*?)```", _TEXT, re.DOTALL)[0]
_ENTRY_POINT = re.findall(r'entry-points\."(.*?)"\]\n(\w+) = "(.*?)"', _TEXT)[0]


def guide_package(folder: Path) -> Path:
    """Where the package now is: a folder to put on the path of a process."""
    group, name, target = _ENTRY_POINT
    files = {
        "quote_the_experts.py": GUIDE_CODE,
        "quote_the_experts-1.0.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: quote-the-experts\nVersion: 1.0\n"
        ),
        "quote_the_experts-1.0.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: by-hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        "quote_the_experts-1.0.dist-info/entry_points.txt": f"[{group}]\n{name} = {target}\n",
    }
    record = "quote_the_experts-1.0.dist-info/RECORD"
    wheel = folder / "quote_the_experts-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(record, "".join(f"{path},,\n" for path in (*files, record)))
    installed = folder / "installed"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"),
            *("--no-index", "--no-deps", "--no-compile", "--target", str(installed), str(wheel)),
        ],
        check=True,
    )
    return installed
