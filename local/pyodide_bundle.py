"""Pack the npm package `pyodide` into the runtime bundle that workerd loads for Python Workers.

workerd fetches `pyodide_<version>.capnp.bin` from Cloudflare when a Python Worker starts. The version
named `dev` is taken from a folder instead (`--pyodide-bundle-disk-cache-dir`), so a bundle packed here,
from the very Pyodide release that this workerd asks for, runs the same Workers without any account or
network. workerd has no `eval` and compiles no Wasm from bytes; what Pyodide's loader must do instead is
written in the module `pyodide-internal:builtin_wrappers`, embedded as source in the workerd binary.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import capnp

ROOT = Path(__file__).resolve().parent.parent
PYODIDE = ROOT / "node_modules" / "pyodide"
BUNDLE = ROOT / ".local" / "pyodide" / "pyodide_dev.capnp.bin"

WRAPPERS = (
    "newWasmModule",
    "wasmInstantiate",
    "monotonicDateNow",
    "getRandomValues",
    "patchedLoadLibData",
    "addEventListener",
    "location",
)
PREAMBLE = f"""import {{ {", ".join(WRAPPERS)} }} from 'pyodide-internal:builtin_wrappers';
const refuseEval = () => {{ throw new Error('eval is not available in workerd'); }};
"""

# (what it is, pattern, replacement, how often it must match). `\\b` and look-behinds keep a pattern
# from matching inside longer names.
ADAPTATIONS = (
    ("Wasm compilation", r"new WebAssembly\.Module\b", "newWasmModule", 4),
    ("Wasm instantiation", r"\bWebAssembly\.instantiate\(", "wasmInstantiate(", 2),
    ("clock", r"\bDate\.now\b", "monotonicDateNow", 22),
    ("randomness", r"\bcrypto\.getRandomValues\(", "getRandomValues(Module,", 1),
    ("eval", r"(?<![\w.$])eval\(", "refuseEval(", 6),
    (
        "library loader",
        r"function loadLibData\(\)\{",
        "function loadLibData(){const patched=patchedLoadLibData(Module,libName,flags.rpath);"
        "return flags.loadAsync?Promise.resolve(patched):patched;",
        1,
    ),
    ("library memory", r"(?<![\w.$])getMemory\((?=metadata\.)", "Module.getMemoryPatched(Module,libName,", 1),
    (
        "export",
        r"export default _createPyodideModule;",
        "export { _createPyodideModule }; export default _createPyodideModule;",
        1,
    ),
)


class BundleError(Exception):
    """This Pyodide release doesn't look as the adaptations expect: they have to be reviewed for it."""


def adapt_loader(source: str) -> str:
    """Return Pyodide's `pyodide.asm.mjs` as workerd can run it.

    Raises BundleError, naming the adaptation, when one matches more or less often than it must.
    """
    for title, pattern, replacement, expected in ADAPTATIONS:
        source, found = re.subn(pattern, replacement, source)
        if found != expected:
            raise BundleError(f"{title}: expected {expected} places in pyodide.asm.mjs, found {found}")
    return PREAMBLE + source


def pack(pyodide: Path, target: Path) -> None:
    """Write the bundle of the Pyodide package in the folder `pyodide` to the file `target`."""
    schema: Any = capnp.load(str(Path(__file__).with_suffix(".capnp")))
    bundle = schema.Bundle.new_message()
    modules = bundle.init("modules", 3)
    contents = (
        ("pyodide.asm", "src", adapt_loader((pyodide / "pyodide.asm.mjs").read_text()).encode()),
        ("pyodide.asm.wasm", "wasm", (pyodide / "pyodide.asm.wasm").read_bytes()),
        ("python_stdlib.zip", "data", (pyodide / "python_stdlib.zip").read_bytes()),
    )
    for module, (name, kind, content) in zip(modules, contents, strict=True):
        module.name = f"pyodideRuntime-internal:{name}"
        module.type = "internal"
        setattr(module, kind, content)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_bytes(bundle.to_bytes())
    os.replace(partial, target)


def packaged_version() -> str:
    """The version of the installed npm package `pyodide`."""
    return str(json.loads((PYODIDE / "package.json").read_text())["version"])


def main() -> None:
    try:
        pack(PYODIDE, BUNDLE)
    except BundleError as error:
        raise SystemExit(f"pyodide {packaged_version()}: {error}") from error


if __name__ == "__main__":
    main()
