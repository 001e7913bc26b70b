"""What a Worker's upload consists of, as a short hash: the same hash need not be deployed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from deploy.configs import Worker

LENGTH = 16
SKIPPED = {"__pycache__", ".mypy_cache", ".ruff_cache", "dist", "tests"}


def fingerprint(worker: Worker) -> str:
    """Of its config, its code and what is vendored beside its config."""
    folder = worker.config_path.parent
    folders = [worker.root / worker.modules, folder / "python_modules"]
    return hash_of(json.dumps(worker.config, sort_keys=True, default=str), worker.root, folders)


def hash_of(config: str, root: Path, folders: list[Path]) -> str:
    digest = hashlib.sha256(config.encode())
    for path in sorted({path for folder in folders for path in files_in(folder)}):
        digest.update(f"\0{path.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:LENGTH]


def files_in(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not SKIPPED.intersection(path.relative_to(folder).parts):
            yield path
