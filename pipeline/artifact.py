"""What a build hands to the deployment: a Worker's modules, and the settings it runs with.

A folder with `modules/`, in it exactly the modules that are uploaded under their names, and `wrangler.json`:
`main`, `compatibility_date`, `compatibility_flags`, `vars`, and `rules` that name each module with its type.
(Wrangler fixes two kinds of types itself, and its rules can't name them: a Python Worker's `.py` modules,
and what it vendors in `python_modules/`.) Beside them are `left-out.json` and the manifest. Who reads an
artifact trusts nothing in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import PipelineError
from pipeline.left_out import LeftOut
from pipeline.limits import require_size, require_variables
from pipeline.upload_form import UploadForm

CONFIG = "wrangler.json"
LEFT_OUT = "left-out.json"
MANIFEST = "manifest.json"
MODULES = "modules"
VENDORED, SDK = "python_modules/", "python_modules/workers/"
PYTHON, DATA = "text/x-python", "application/octet-stream"
TYPES = {
    "application/javascript+module": "ESModule",
    "application/javascript": "CommonJS",
    "application/javascript+commonjs": "CommonJS",
    "application/wasm": "CompiledWasm",
    "text/plain": "Text",
    "application/octet-stream": "Data",
}
# What wrangler uploads modules of a type as.
MEDIA_TYPES = {
    "ESModule": "application/javascript+module",
    "CommonJS": "application/javascript",
    "CompiledWasm": "application/wasm",
    "Text": "text/plain",
    "Data": DATA,
}
KEYS = {"main", "compatibility_date", "compatibility_flags", "rules", "vars"}
# Refused in names: what an artifact's file names can't have (actions/upload-artifact), and globs.
UNFIT = re.compile(r'["*:<>?|\\\x00-\x1f\x7f]')
METADATA = "metadata"
MAX_NAME_BYTES, MAX_PART_BYTES = 512, 255  # the second as file systems have it
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
VARIABLE = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Artifact:
    """`modules` are contents by name; `types` are wrangler's module types of those that rules name.

    `left_out` is what the app's config asks for in vain.
    """

    main: str
    compatibility_date: str
    compatibility_flags: tuple[str, ...]
    variables: Mapping[str, Any]
    modules: Mapping[str, bytes]
    types: Mapping[str, str]
    left_out: tuple[LeftOut, ...] = ()

    def __post_init__(self) -> None:
        require_size(self.modules)
        require_variables(self.variables)
        if self.main not in self.modules:
            raise PipelineError(f"The main module {self.main} is not among the modules.")
        if not DATE.fullmatch(self.compatibility_date):
            raise PipelineError(f"{self.compatibility_date!r} is not a compatibility date.")
        for name in self.modules:
            check_name(name)
            if name not in self.types and not self._has_fixed_type(name):
                raise PipelineError(f"The module {name} has no type.")
        for name in self.types:
            if name not in self.modules:
                raise PipelineError(f"A rule names the module {name}, which isn't there.")
        for name in self.variables:
            if not VARIABLE.fullmatch(name):
                raise PipelineError(f"{name!r} is not the name of a variable.")

    def _has_fixed_type(self, name: str) -> bool:
        return self.main.endswith(".py") and (name.startswith(VENDORED) or name.endswith(".py"))

    @classmethod
    def of_form(cls, form: UploadForm) -> Artifact:
        """What is deployed of an upload: its modules, and its plain variables of all bindings."""
        main = form.metadata["main_module"]
        types = {}
        for module in form.modules:
            if main.endswith(".py") and (module.name.startswith(VENDORED) or module.content_type == PYTHON):
                continue
            if module.content_type not in TYPES:
                raise PipelineError(f"The module {module.name} has the unknown type {module.content_type}.")
            types[module.name] = TYPES[module.content_type]
        modules = {module.name: module.content for module in form.modules}
        if len(modules) != len(form.modules):
            raise PipelineError("Two modules have the same name.")
        return cls(
            main=main,
            compatibility_date=form.metadata.get("compatibility_date", ""),
            compatibility_flags=tuple(form.metadata.get("compatibility_flags", ())),
            variables=plain_variables(form.metadata.get("bindings", ())),
            modules=modules,
            types=types,
        )

    def media_type(self, name: str) -> str:
        """What a module is uploaded as."""
        if name in self.types:
            return MEDIA_TYPES[self.types[name]]
        if not name.startswith(VENDORED):
            return PYTHON
        # The SDK's own JavaScript, which it imports at run time.
        is_sdk_script = name.startswith(SDK) and name.endswith((".js", ".mjs"))
        return MEDIA_TYPES["ESModule"] if is_sdk_script else DATA

    def config(self) -> dict[str, Any]:
        """The content of wrangler.json."""
        # Each type has a rule, an empty one if need be: wrangler's own rules would add modules.
        rules = [
            {"type": kind, "globs": sorted(name for name, found in self.types.items() if found == kind)}
            for kind in sorted(set(TYPES.values()))
        ]
        return {
            "main": f"{MODULES}/{self.main}",
            "compatibility_date": self.compatibility_date,
            "compatibility_flags": list(self.compatibility_flags),
            "vars": dict(self.variables),
            "rules": [{**rule, "fallthrough": False} for rule in rules],
        }

    def write(self, folder: Path) -> None:
        """Write it to a folder that isn't there yet. Raises PipelineError where it is."""
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            message = f"There is something at {folder.name} already, which the build put there."
            raise PipelineError(message) from None
        write_modules(folder / MODULES, self.modules)
        (folder / CONFIG).write_text(json.dumps(self.config(), indent=2) + "\n")
        described = [thing.described() for thing in self.left_out]
        (folder / LEFT_OUT).write_text(json.dumps(described, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Artifact:
        """Raises PipelineError naming whatever doesn't belong into an artifact."""
        modules = {}
        for path in files_in(folder):
            name = path.relative_to(folder).as_posix()
            if name.startswith(f"{MODULES}/"):
                modules[name.removeprefix(f"{MODULES}/")] = path.read_bytes()
            elif name not in (CONFIG, LEFT_OUT, MANIFEST):
                raise PipelineError(f"The artifact has a file {name}, which doesn't belong there.")
        artifact = cls.of_config(content_of(folder / CONFIG), modules)
        return replace(artifact, left_out=tuple(things_of(content_of(folder / LEFT_OUT))))

    @classmethod
    def of_config(cls, config: Any, modules: Mapping[str, bytes]) -> Artifact:
        match config:
            case {
                "main": str(main),
                "compatibility_date": str(date),
                "compatibility_flags": [*flags],
                "vars": {},
                "rules": [*rules],
            } if set(config) == KEYS and all(isinstance(flag, str) for flag in flags):
                pass
            case _:
                raise PipelineError(f"The artifact's {CONFIG} must have {', '.join(sorted(KEYS))} alone.")
        main = main.removeprefix(f"{MODULES}/")
        return cls(main, date, tuple(flags), config["vars"], modules, dict(types_of(rules)))


def content_of(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise PipelineError(f"The artifact's {path.name} can't be read: {error}") from error


def things_of(items: Any) -> Iterator[LeftOut]:
    for item in items if isinstance(items, list) else [items]:
        match item:
            case {"name": str(name), "kind": str(kind)} if len(item) == 2:
                yield LeftOut(name, kind)
            case _:
                raise PipelineError(f"The artifact's {LEFT_OUT} must name each thing and its kind.")


def types_of(rules: list[Any]) -> Iterator[tuple[str, str]]:
    for rule in rules:
        match rule:
            case {"type": str(kind), "globs": [*names], "fallthrough": False} if (
                len(rule) == 3 and kind in TYPES.values() and all(isinstance(name, str) for name in names)
            ):
                yield from ((name, kind) for name in names)
            case _:
                raise PipelineError(f"The artifact's {CONFIG} has an unknown rule.")


def plain_variables(bindings: Any) -> dict[str, Any]:
    """Raises PipelineError for bindings that aren't of the API's form."""
    keys = {"plain_text": "text", "json": "json"}
    try:
        return {item["name"]: item[keys[item["type"]]] for item in bindings if item["type"] in keys}
    except (KeyError, TypeError, AttributeError) as error:
        raise PipelineError("A binding is not of the form that it should be.") from error


def check_name(name: str) -> None:
    """Raises PipelineError for a name that isn't that of a file inside a folder."""
    parts = name.split("/")
    is_unfit = UNFIT.search(name) or any(part in ("", ".", "..") for part in parts)
    longest = max(len(part.encode()) for part in parts)
    is_long = len(name.encode()) > MAX_NAME_BYTES or longest > MAX_PART_BYTES
    # In an upload a module of that name would take the place of the settings.
    if is_unfit or is_long or name.lower() == METADATA:
        raise PipelineError(
            f"{name!r} can't be the name of a module here: it must be that of a file, in at most "
            f'{MAX_PART_BYTES} bytes, without any of " * : < > ? | \\, and not {METADATA}.'
        )


def files_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise PipelineError(f"The artifact has {path.relative_to(folder)}, which is not a plain file.")
        if path.is_file():
            yield path


def write_modules(folder: Path, modules: Mapping[str, bytes]) -> None:
    for name, content in modules.items():
        check_name(name)
        path = folder / PurePosixPath(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
