"""The Workers uploaded to the local dispatch namespaces, on disk.

One JSON file for each script, written whole and moved into place, so that a script is there entirely
or not at all whatever dies.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

Script = dict[str, Any]


class NamespaceStore:
    """Scripts by namespace and name; both must be valid Worker names already."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, namespace: str, name: str) -> Path:
        return self._folder / namespace / f"{name}.json"

    def get(self, namespace: str, name: str) -> Script | None:
        try:
            script: Script = json.loads(self._path(namespace, name).read_text())
        except FileNotFoundError:
            return None
        return script

    def put(self, namespace: str, name: str, script: Script) -> None:
        path = self._path(namespace, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with open(partial, "w") as file:
            json.dump(script, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)

    def delete(self, namespace: str, name: str) -> None:
        self._path(namespace, name).unlink(missing_ok=True)

    def list(self, namespace: str) -> list[str]:
        return sorted(path.stem for path in (self._folder / namespace).glob("*.json"))
