"""`make lock`: resolve dependencies anew and pin them, with hashes, in `locks/`.

Sources are the files that name them: pyproject.toml (the tools, dispatch), billing/pyproject.toml,
dashboard/pyproject.toml, the Python example's, and cli/pyproject.toml (for the GitHub Action, in the versions
that it is tested with). (npm locks package.json by itself.)
"""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = ROOT / ".venv" / "bin" / "uv"
# Workers run on the Python of Pyodide, the tools on any that the README promises.
WORKER_PYTHON = "3.14"
TOOLS_PYTHON = "3.11"
WORKERS = {
    "dispatch": "pyproject.toml",
    "billing": "billing/pyproject.toml",
    "dashboard": "dashboard/pyproject.toml",
    "hello-python": "examples/hello-python/pyproject.toml",
}


def compile_lock(name: str, *arguments: str) -> None:
    output = ("--upgrade", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links")
    plain = ("--no-header", "--no-annotate", "--quiet", "--output-file", f"locks/{name}.txt")
    subprocess.run([UV, "pip", "compile", *output, *plain, *arguments], cwd=ROOT, check=True)
    print(f"  locks/{name}.txt")


def main() -> None:
    for group in ("dev", "pipeline"):
        compile_lock(group, "--universal", "--python-version", TOOLS_PYTHON, "--group", group)
    tools = ("--constraint", "locks/dev.txt")
    compile_lock("cli", "--universal", "--python-version", TOOLS_PYTHON, *tools, "cli/pyproject.toml")
    for name, source in WORKERS.items():
        overrides = ROOT / name / "overrides.txt"
        more = ("--override", str(overrides)) if overrides.exists() else ()
        compile_lock(name, "--python-version", WORKER_PYTHON, source, *more)


if __name__ == "__main__":
    main()
