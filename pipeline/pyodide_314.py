#!/usr/bin/env python3
"""What uv takes for the Python of Workers: it asks an interpreter what it is, and runs it for nothing else.

uv's own list of platforms ends before this one (`wasm32-pyodide2025`), whose wheels have the tag
`pyemscripten_2026_0_wasm32`. The answer has the form that uv's own question gives, in the version of uv that
locks/pipeline.txt pins.
"""

import json
import subprocess
import sys

VERSION = "3.14.2"

asked = subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.PIPE, check=True, timeout=60)  # noqa: S603
found = json.loads(asked.stdout)
found["markers"] |= {
    "implementation_version": VERSION,
    "platform_machine": "wasm32",
    "platform_system": "Emscripten",
    "python_full_version": VERSION,
    "python_version": "3.14",
    "sys_platform": "emscripten",
}
found |= {"arch": "wasm32", "os": {"name": "pyemscripten", "major": 2026, "minor": 0}, "pointer_size": "32"}
print(json.dumps(found))
