"""An empty database with all migrations, kept to be copied: wrangler starts a workerd for each of them."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from pathlib import Path

from local.staging import DASHBOARD, ROOT


def kept_storage() -> Path:
    """Where it is or may be put, by what decides how it is and where in its folder wrangler looks for it."""
    migrations = sorted((ROOT / "migrations").glob("*.sql"))
    digest = hashlib.sha256()
    for path in (*migrations, DASHBOARD.config, ROOT / "package-lock.json"):
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return ROOT / ".local" / "databases" / digest.hexdigest()


def copy_to(storage: Path) -> bool:
    """Begin a storage with it; False where none is kept."""
    kept = kept_storage()
    if not kept.exists():
        return False
    shutil.copytree(kept, storage)
    return True


def keep(storage: Path) -> None:
    """Keep a storage that has nothing else: all of it, or nothing."""
    kept = kept_storage()
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as partial:
        copy = shutil.copytree(storage, Path(partial, "copy"))
        with contextlib.suppress(OSError):  # another run was quicker
            copy.rename(kept)
