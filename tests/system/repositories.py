"""The repositories that the local GitHub of the tests' stack has, besides the examples."""

from __future__ import annotations

from pathlib import Path

from tests.pipeline.support import git

CONFIG = 'name = "app"\nmain = "index.js"\ncompatibility_date = "2026-11-01"\n'
BINDING = '[[kv_namespaces]]\nbinding = "STORE"\nid = "0123456789abcdef0123456789abcdef"\n'
INJECTION = "$(touch${IFS}owned)"


def write_repositories(folder: Path) -> str:
    """Make repositories below a folder; return the setting that names them.

    `broken` and `unfinished` don't build, `greeter` asks for what it doesn't get, `plain` is as small as can
    be, `changing` is there to commit to, `injector` has commands for the names of its branch and its
    directory. Tests share the stack and its users: no two of them deploy one repository as one user.
    """
    for name in ("broken", "unfinished"):
        write(folder / name, "export default { fetch( }\n")
    write(folder / "plain", 'export default { fetch: () => new Response("Plain") };\n')
    write(folder / "greeter", 'export default { fetch: () => new Response("Good day") };\n', BINDING)
    changing = folder / "changing"
    write(changing, 'export default { fetch: () => new Response("Version 0") };\n')
    git(changing, "init", "--quiet", "--initial-branch=main")
    git(changing, "add", "--all")
    git(changing, "commit", "--quiet", "--message", "first")
    injector = folder / "injector"
    write(injector / INJECTION, 'export default { fetch: () => new Response("hi") };\n')
    git(injector, "init", "--quiet", f"--initial-branch={INJECTION}")
    git(injector, "add", "--all")
    git(injector, "commit", "--quiet", "--message", "first")
    return ":".join(
        str(folder / name) for name in ("broken", "changing", "greeter", "injector", "plain", "unfinished")
    )


def write(folder: Path, module: str, more: str = "") -> None:
    folder.mkdir(parents=True)
    (folder / "wrangler.toml").write_text(CONFIG + more)
    (folder / "index.js").write_text(module)
