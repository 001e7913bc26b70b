"""The local dispatch namespace: whatever wrangler uploads runs, apart from the others."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.system.running import RunningStack

SCRIPTS = "/workers/dispatch/namespaces/testing/scripts"
CONFIG = 'main = "index.js"\ncompatibility_date = "2026-11-01"\n'
COMMON_JS = 'rules = [{ type = "CommonJS", globs = ["**/*.cjs"] }]\n'
# (module (func (export "answer") (result i32) i32.const 42))
WASM = bytes.fromhex("0061736d010000000105016000017f03020100070a0106616e7377657200000a06010400412a0b")
ALL_KINDS = """
import text from "./note.txt";
import data from "./blob.bin";
import module from "./answer.wasm";
import { greet } from "./greet.js";
import common from "./common.cjs";
let count = 0;
export default {
  async fetch(request, env) {
    const instance = await WebAssembly.instantiate(module);
    return Response.json({
      text, bytes: [...new Uint8Array(data)], answer: instance.exports.answer(), greeting: greet(env.NAME),
      options: env.OPTIONS, count: ++count, dated: env.NAME, common,
    });
  },
};
"""


def test_modules_of_all_kinds_and_vars(stack: RunningStack, project):
    folder = project(
        {
            "wrangler.toml": CONFIG + COMMON_JS + '[vars]\nNAME = "Ada"\nOPTIONS = { deep = [1, 2] }\n',
            "index.js": ALL_KINDS,
            "greet.js": "export const greet = (name) => `Hello, ${name}`;",
            "common.cjs": "module.exports = 'CommonJS';",
            "note.txt": "a note",
            "blob.bin": b"\x00\xff",
            "answer.wasm": WASM,
        }
    )
    stack.deploy(folder, "kinds")
    assert stack.get("kinds").json() == {
        "text": "a note",
        "bytes": [0, 255],
        "answer": 42,
        "greeting": "Hello, Ada",
        "options": {"deep": [1, 2]},
        "count": 1,
        "dated": "Ada",
        "common": "CommonJS",
    }


CACHED = """
export default {
  async fetch(request) {
    if (request.method === "DELETE") return new Response(await caches.default.match(request).catch(String));
    const cache = await caches.open("mine");
    const found = await cache.match("http://cached/");
    const headers = { "cache-control": "max-age=99" };
    if (!found) await cache.put("http://cached/", new Response("kept", { headers }));
    return found ?? new Response("new");
  },
};
"""


def test_named_caches_are_each_worker_s_own_and_there_is_no_default_one(stack: RunningStack, project):
    folder = project({"wrangler.toml": CONFIG, "index.js": CACHED})
    for name in ("cached", "cached-apart"):
        stack.deploy(folder, name)
        assert stack.get(name).text == "new"
        assert stack.get(name).text == "kept"
    disabled = stack.request("cached.localhost", "DELETE").text
    assert disabled == "Error: caches.default is disabled in a dispatch namespace: use caches.open(name)."


def test_wrangler_is_told_how_apps_get_static_files(stack: RunningStack, project):
    config = 'compatibility_date = "2026-11-01"\n[assets]\ndirectory = "public"\n'
    folder = project({"wrangler.toml": config, "public/index.html": "home"})
    done = stack.wrangler("deploy", "--dispatch-namespace", "testing", "--name", "files", cwd=folder)
    assert done.returncode == 1
    assert "Name its folder in REPOSITORIES" in done.stderr


def test_a_python_worker_runs(stack: RunningStack):
    stack.deploy(stack.root / "examples" / "hello-python", "snake")
    assert stack.get("snake", "/?name=Ada").text == "Hello, Ada, from Python!\n"


def test_a_python_worker_that_asks_for_a_snapshot_of_its_own_runs(stack: RunningStack, tmp_path: Path):
    folder = shutil.copytree(stack.root / "examples" / "hello-python", tmp_path / "app")
    config = folder / "wrangler.toml"
    flags = '"python_workers"'
    assert flags in config.read_text()
    config.write_text(config.read_text().replace(flags, f'{flags}, "python_dedicated_snapshot"'))
    stack.deploy(folder, "own-snapshot")
    assert stack.get("own-snapshot", "/?name=Ada").text == "Hello, Ada, from Python!\n"


def test_compatibility_settings_are_each_workers_own(stack: RunningStack, project):
    code = "export default { fetch: () => new Response(typeof process + typeof navigator) };"
    stack.deploy(project({"wrangler.toml": CONFIG, "index.js": code}), "modern")
    old = 'main = "index.js"\ncompatibility_date = "2021-11-03"\n'
    stack.deploy(project({"wrangler.toml": old, "index.js": code}), "old")
    assert stack.get("modern").text.endswith("object")
    assert stack.get("old").text == "undefinedundefined"


def test_workers_are_isolated(stack: RunningStack, project):
    code = "export default { fetch: () => Response.json(globalThis.seen = (globalThis.seen ?? 0) + 1) };"
    folder = project({"wrangler.toml": CONFIG, "index.js": code})
    stack.deploy(folder, "left")
    stack.deploy(folder, "right")
    assert [stack.get("left").json() for _ in range(3)] == [1, 2, 3]
    assert stack.get("right").json() == 1


def test_a_new_upload_replaces_and_a_deletion_ends(stack: RunningStack, project):
    code = "export default {{ fetch: () => new Response('{}') }};"
    stack.deploy(project({"wrangler.toml": CONFIG, "index.js": code.format("one")}), "replaced")
    assert stack.get("replaced").text == "one"
    stack.deploy(project({"wrangler.toml": CONFIG, "index.js": code.format("two")}), "replaced")
    assert stack.get("replaced").text == "two"

    requests = stack.billing("replaced", "get_worker_billing")["requests"]
    assert stack.api("DELETE", f"{SCRIPTS}/replaced").is_success
    assert stack.get("replaced").status_code == 404
    assert stack.api("GET", f"{SCRIPTS}/replaced").json()["errors"][0]["code"] == 10092
    assert stack.billing("replaced", "get_worker_billing")["requests"] == requests


def test_wrangler_shows_why_an_upload_was_refused(stack: RunningStack, project):
    folder = project({"wrangler.toml": CONFIG, "index.js": "export default {}", "queue.toml": ""})
    with open(folder / "wrangler.toml", "a") as config:
        config.write('[[kv_namespaces]]\nbinding = "KV"\nid = "0123"\n')
    done = stack.wrangler("deploy", "--dispatch-namespace", "testing", "--name", "refused", cwd=folder)
    assert done.returncode != 0
    assert "[code: 10056]" in done.stderr
    assert stack.api("GET", f"{SCRIPTS}/refused").status_code == 404


FETCHES = """
export default {
  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/seen") return Response.json({ cf: typeof request.cf, body: await request.text() });
    const answer = await fetch(search.slice(1));
    return Response.json({ status: answer.status, text: await answer.text() });
  },
};
"""


def test_a_worker_sees_and_reaches_what_it_would_in_an_untrusted_namespace(stack: RunningStack, project):
    public = CONFIG + 'compatibility_flags = ["global_fetch_strictly_public"]\n'
    stack.deploy(project({"wrangler.toml": CONFIG, "index.js": FETCHES}), "inside")
    stack.deploy(project({"wrangler.toml": public, "index.js": FETCHES}), "outside")
    seen = stack.request("inside.localhost", "POST", "/seen", content=b"a body").json()
    assert seen == {"cf": "undefined", "body": "a body"}
    neighbour = f"http://hello.localhost:{stack.port}/"
    assert stack.get("inside", f"/?{neighbour}").json() == {"status": 522, "text": "error code: 522"}
    assert stack.get("outside", f"/?{neighbour}").json() == {"status": 200, "text": "Hello, world!\n"}
    # Elsewhere both go.
    for app in ("inside", "outside"):
        assert (
            stack.get(app, f"/?http://127.0.0.1:{stack.port}/api/v3/repos/codius/examples").json()["status"]
            == 403
        )
