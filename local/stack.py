"""One run of the local stack: its parts, started in order and ended together."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import watchfiles
from starlette.types import ASGIApp, Receive, Scope, Send

from local import empty_database, staging
from local.cloudflare.changes import Changes
from local.cloudflare.d1 import Databases
from local.cloudflare.namespace_store import NamespaceStore
from local.cloudflare.namespaces import DispatchNamespaces
from local.cloudflare.running import Running, RunningWorkers
from local.control import Control, ControlError
from local.example import ExampleError, deploy_example
from local.github.repositories import GitError
from local.github.server import GitHub, GitHubSettings
from local.processes import ProcessGroup
from local.python_runtime import SNAPSHOT_OPTIONS, workerd_script
from local.sigstore.authority import Authority, SigningError
from local.staging import NODE_BIN, ROOT, Addresses
from local.stripe.server import Stripe, StripeSettings

EXAMPLES_REPOSITORY = "codius/examples"
WRANGLER = ROOT / "node_modules" / ".bin" / "wrangler"
START_SECONDS = 300
COMMAND_SECONDS = 120
CRON_SECONDS = 60
LOOK_MS = 5_000
LOWEST_PORT, HIGHEST_PORT = 10_000, 32_000


class StackError(Exception):
    """The stack can't start or go on; the message says why and what to do."""


class Stack:
    """Use as an async context manager, then `serve()` until it is cancelled or workerd ends.

    `state` is the folder of all that outlives a run: storage of D1 and the objects, uploaded Workers, what
    the local GitHub knows. `repositories` are folders that it has besides the examples, by owner/name.
    The first run deploys an example, if it `has_example`. Raises StackError when a part doesn't start.
    """

    def __init__(
        self,
        port: int,
        state: Path,
        dispatch_instances: int = 1,
        repositories: Mapping[str, Path] | None = None,
        has_example: bool = True,
    ) -> None:
        self._state, self._has_example = state, has_example
        self._example: str | None = None
        self._authority = Authority(state / "sigstore")
        self._staged = state / "staged"
        self._log = state / "wrangler.log"
        self._control = Control(port, secrets.token_urlsafe())
        self._addresses = Addresses(
            port,
            free_port(),
            self._control.token,
            dispatch_instances,
            dashboard_secrets(),
            str(self._authority.trusted_root.absolute()),
        )
        namespaces = staging.read_config(staging.DISPATCH)["dispatch_namespaces"]
        self._namespace: str = namespaces[0]["namespace"]
        self._store = NamespaceStore(state / "namespaces")
        self._repositories = {EXAMPLES_REPOSITORY: ROOT / "examples", **(repositories or {})}
        self._ready = False
        self._changed = asyncio.Event()
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Stack:
        try:
            self._exits.enter_context(locked(self._state))
            require_free(self._addresses.port)
            self._control.save(self._state)
            self._log.unlink(missing_ok=True)
            await self._start_stand_ins()
            await self._migrate_database()
            self._wrangler = await self._start_workers()
            self._github.actions.end_interrupted()
            self._stripe.start()
            await self._deploy_example()
        except BaseException:
            await self._exits.aclose()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._exits.aclose()

    async def serve(self) -> None:
        """Follow changes of the Workers' files, and bring workerd back when it ends, until cancelled."""
        self._ready = True
        for line in self._summary():
            print(line, flush=True)
        tasks = [asyncio.create_task(work) for work in (self._follow_changes(), self._run_cron())]
        try:
            while True:
                await self._wrangler.process.wait()
                await self._restart_workers()
        finally:
            for task in tasks:
                task.cancel()

    async def _run_cron(self) -> None:
        """Trigger what Cloudflare would by the dashboard's cron trigger."""
        while True:
            await asyncio.sleep(CRON_SECONDS)
            with contextlib.suppress(httpx.HTTPError, ControlError):  # the Workers may be restarting
                await asyncio.to_thread(self._control.run_cron)

    async def _restart_workers(self) -> None:
        """Start the Workers again: at once, and after a failure when one of their files has changed."""
        while True:
            self._changed.clear()
            try:
                self._wrangler = await self._start_workers()
            except StackError as error:
                print(f"{error}\nThe Workers don't start. Waiting for a change of their files.", flush=True)
                await self._changed.wait()
            else:
                print(f"Ready again: {self._addresses.dashboard}", flush=True)
                return

    def _summary(self) -> list[str]:
        api = f"CLOUDFLARE_API_BASE_URL=http://127.0.0.1:{self._addresses.port}/client/v4"
        app, dashboard = self._example, self._addresses.dashboard
        return [
            "",
            f"  GitHub    {self._addresses.others}  (local: alice and bob to deploy as, operator to operate)",
            *(
                f"  Yours     {self._addresses.others}/{name}  (to paste into the dashboard's form)"
                for name in self._repositories
                if name != EXAMPLES_REPOSITORY
            ),
            *([f"  Example   {dashboard}/apps/{app}  (deployed by alice: ready in a moment)"] if app else []),
            f"  Upload    {api} CLOUDFLARE_API_TOKEN=local CLOUDFLARE_ACCOUNT_ID=local \\",
            f"            npx --prefix {ROOT} \\",
            f"            wrangler deploy --dispatch-namespace {self._namespace} --name <id>",
            f"  Verify    {NODE_BIN / 'python'} -m codius verify \\",
            f"            --signer-repo {staging.OPERATOR_REPOSITORY} \\",
            f"            --trusted-root {self._authority.trusted_root} \\",
            f"            --cloudflare-api {self._addresses.others}/client/v4 \\",
            f"            http://{app or '<id>'}.localhost:{self._addresses.port}",
            f"  State     {self._state}",
            "",
            f"Ready: {dashboard}  (Ctrl-C to stop)",
        ]

    # The stand-ins for other people's servers, in this process.

    async def _start_stand_ins(self) -> None:
        (database,) = staging.read_config(staging.DASHBOARD)["d1_databases"]
        databases = Databases(
            Changes(self._addresses.secrets["CLOUDFLARE_ACCOUNT_ID"]),
            {database["database_name"]: self._run_in_database},
        )
        running = {
            staging.read_config(worker)["name"]: Running(
                self._staged / worker.name / staging.DESCRIBED,
                staging.secret_names(worker, self._addresses),
            )
            for worker in staging.WORKERS
        }
        api = DispatchNamespaces(
            self._store,
            (self._namespace,),
            self._on_script_change,
            databases=databases,
            workers=running,
            account=RunningWorkers(running, self._dry_run).routes(),
        )
        self._github = await self._start_github()
        config = uvicorn.Config(
            others(api.application(), self._github.application(), self._start_stripe().application()),
            host="127.0.0.1",
            port=self._addresses.stand_in_port,
            log_level="warning",
            lifespan="off",
        )
        server = Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            if serving.done():
                raise StackError("the stand-ins for other people's servers did not start")
            await asyncio.sleep(0.01)

        async def stop() -> None:
            server.should_exit = True
            server.force_exit = True
            await serving

        self._exits.push_async_callback(stop)

    async def _start_github(self) -> GitHub:
        addresses = self._addresses
        settings = GitHubSettings(
            origin=addresses.others,
            dashboard=addresses.dashboard,
            callback_url=f"{addresses.dashboard}/login/github/callback",
            hook_url=f"{addresses.others}/webhooks/github",
            hook_host=addresses.host,
            repository=staging.OPERATOR_REPOSITORY,
            checkout=ROOT,
            authority=self._authority,
            client_id=addresses.secrets["GITHUB_CLIENT_ID"],
            client_secret=addresses.secrets["GITHUB_CLIENT_SECRET"],
            token=addresses.secrets["GITHUB_TOKEN"],
            webhook_secret=addresses.secrets["GITHUB_WEBHOOK_SECRET"],
            workflow_secrets={"CLOUDFLARE_API_TOKEN": addresses.secrets["CLOUDFLARE_API_TOKEN"]},
            workflow_variables={
                "APPS_DOMAIN": "localhost",
                "CLOUDFLARE_ACCOUNT_ID": addresses.secrets["CLOUDFLARE_ACCOUNT_ID"],
                "CLOUDFLARE_API_BASE_URL": f"{addresses.others}/client/v4",
            },
        )
        try:
            await self._authority.create()
            github = await asyncio.to_thread(GitHub, settings, self._state / "github", self._repositories)
        except GitError as error:
            raise StackError(f"the local GitHub can't take a folder: {error}") from error
        except SigningError as error:
            raise StackError(f"the local Sigstore did not start: {error}") from error
        await github.start()
        self._exits.push_async_callback(github.stop)
        return github

    def _start_stripe(self) -> Stripe:
        addresses = self._addresses
        settings = StripeSettings(
            origin=addresses.others,
            hook_url=f"{addresses.others}/webhooks/stripe",
            hook_host=addresses.host,
            secret_key=addresses.secrets["STRIPE_SECRET_KEY"],
            webhook_secret=addresses.secrets["STRIPE_WEBHOOK_SECRET"],
        )
        self._stripe = Stripe(settings, self._state / "stripe")
        self._exits.push_async_callback(self._stripe.stop)
        return self._stripe

    async def _run_in_database(
        self, statements: list[str], parameters: list[Any]
    ) -> list[list[dict[str, Any]]]:
        """What is asked of D1's API runs in the database of the Workers."""
        if parameters:
            raise ControlError("the local D1 takes no parameters")
        found: list[list[dict[str, Any]]] = await asyncio.to_thread(
            self._control.call, "database", "", "batch", statements
        )
        return found

    async def _on_script_change(self, name: str) -> None:
        """An uploaded Worker gets an account, as the dashboard opens one when it deploys."""
        await asyncio.to_thread(self._control.call, "namespace", name, "forget", name)
        await asyncio.to_thread(self._control.call, "billing", name, "open_account")

    # The Workers, in workerd under wrangler.

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CLOUDFLARE_")}
        return kept | {
            "PATH": f"{NODE_BIN}{os.pathsep}{os.environ['PATH']}",
            "MINIFLARE_WORKERD_PATH": str(workerd_script(self._state, *SNAPSHOT_OPTIONS)),
            "CLOUDFLARE_CF_FETCH_ENABLED": "false",
            "WRANGLER_SEND_METRICS": "false",
            "X_LOCAL_OBSERVABILITY": "false",
            "WRANGLER_LOG_PATH": str(self._state / "wrangler-logs"),
            # Otherwise the Workers of all stacks of this user were those of one.
            "WRANGLER_REGISTRY_PATH": str(self._state / "registry"),
            "CI": "true",
            "FORCE_COLOR": "0",
        }

    async def _migrate_database(self) -> None:
        """Apply new migrations; wrangler, which knows the others, is asked only when there are any.

        A new state begins with a copy of an empty database, where one is kept.
        """
        names = "\n".join(sorted(path.name for path in (ROOT / "migrations").glob("*.sql")))
        applied, storage = self._state / "migrations", self._state / "storage"
        if applied.exists() and applied.read_text() == names:
            return
        self._step("Creating the database")
        is_new = not storage.exists()
        if is_new and await asyncio.to_thread(empty_database.copy_to, storage):
            applied.write_text(names)
            return
        staging.stage(self._staged, self._addresses)
        await self._wrangler_command(
            *("d1", "migrations", "apply", "DB", "--local"),
            *("--config", self._staged / "dashboard" / "wrangler.json"),
            *("--persist-to", storage),
        )
        if is_new:
            await asyncio.to_thread(empty_database.keep, storage)
        applied.write_text(names)

    async def _start_workers(self) -> ProcessGroup:
        self._step("Starting the Workers")
        configs = staging.stage(self._staged, self._addresses)
        group = await ProcessGroup.start(
            *(str(WRANGLER), "dev", *(f"--config={config}" for config in configs)),
            *("--ip", "127.0.0.1", "--port", str(self._addresses.port), "--inspector-port", "0"),
            *("--persist-to", self._state / "storage", "--show-interactive-dev-session=false"),
            env=self._environment(),
            cwd=self._staged,
        )
        self._exits.push_async_callback(group.stop)
        output = asyncio.create_task(self._copy_output(group))
        self._exits.callback(output.cancel)
        await self._wait_until_up(group)
        return group

    async def _copy_output(self, group: ProcessGroup) -> None:
        """Everything goes to the log; once the stack is up, also to the screen."""
        assert group.process.stdout is not None
        with open(self._log, "ab") as log:
            while output := await group.process.stdout.read(65536):
                log.write(output)
                log.flush()
                if self._ready:
                    print(output.decode(errors="replace"), end="", flush=True)

    async def _wait_until_up(self, group: ProcessGroup) -> None:
        deadline = time.monotonic() + START_SECONDS
        async with httpx.AsyncClient(timeout=START_SECONDS) as client:
            while time.monotonic() < deadline:
                if group.process.returncode is not None:
                    await asyncio.sleep(0)  # let the last of its output reach the log
                    raise StackError(f"wrangler ended while it started:\n{self._log_tail()}")
                with contextlib.suppress(httpx.TransportError):
                    response = await client.get(
                        self._addresses.others, headers={"host": self._addresses.host}
                    )
                    if response.is_success:
                        return
                await asyncio.sleep(0.1)
        raise StackError(f"the dashboard did not answer within {START_SECONDS} s:\n{self._log_tail()}")

    def _log_tail(self) -> str:
        with open(self._log, errors="replace") as log:
            return "".join(deque(log, maxlen=30))

    async def _deploy_example(self) -> None:
        if not self._has_example:
            return
        self._step("Deploying an example")
        try:
            self._example = await deploy_example(self._addresses.dashboard, self._state)
        except ExampleError as error:  # an edited dashboard, for one: the rest is there to find out why
            print(f"  {error}", flush=True)

    async def _dry_run(self, config: Path, outfile: Path) -> None:
        await self._wrangler_command("deploy", "--dry-run", "--config", config, "--outfile", outfile)

    async def _wrangler_command(self, *arguments: str | Path) -> None:
        group = await ProcessGroup.start(WRANGLER, *arguments, env=self._environment(), cwd=self._state)
        try:
            output, _ = await asyncio.wait_for(group.process.communicate(), COMMAND_SECONDS)
        except TimeoutError:
            raise StackError(f"wrangler {arguments[0]} took more than {COMMAND_SECONDS} s") from None
        finally:
            await group.stop()
        if group.process.returncode != 0:
            raise StackError(f"wrangler {arguments[0]} failed:\n{output.decode(errors='replace')}")

    async def _follow_changes(self) -> None:
        """Bring edited modules to the staged Workers, where wrangler sees them and reloads."""
        folders = [worker.modules for worker in staging.WORKERS]
        # A look now and then as well: what changes before the watch is set up, or unwatched, counts too.
        async for _ in watchfiles.awatch(*folders, rust_timeout=LOOK_MS, yield_on_timeout=True):
            workers = staging.staged_workers(self._addresses)
            changed = [staging.copy_modules(worker, self._staged) for worker in workers]
            if any(changed):
                self._changed.set()

    def _step(self, title: str) -> None:
        print(f"  {title} …", flush=True)


def others(cloudflare: ASGIApp, github: ASGIApp, stripe: ASGIApp) -> ASGIApp:
    """The stand-ins for other people's servers, behind one port."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        path, server = scope["path"], github
        if path.startswith(("/client/v4/", "/local/scripts/")):
            server = cloudflare
        elif path.startswith(("/v1/", "/c/pay/", "/receipts/", "/test/payments/", "/local/stripe")):
            server = stripe
        await server(scope, receive, send)

    return application


def dashboard_secrets() -> dict[str, str]:
    """What the dashboard shares with other people's servers, new in each run."""
    names = ("GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET", "GITHUB_TOKEN", "GITHUB_WEBHOOK_SECRET")
    return {name: secrets.token_urlsafe(24) for name in names} | {
        "CLOUDFLARE_ACCOUNT_ID": "local",
        "CLOUDFLARE_API_TOKEN": "local",
        "STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(12)}",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(12)}",
    }


class Server(uvicorn.Server):
    """A server that leaves signals to the launcher."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def locked(state: Path) -> Iterator[None]:
    """Keep a second run out of the state folder."""
    state.mkdir(parents=True, exist_ok=True)
    with open(state / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"{state} is in use by another run: stop it, or set STATE_DIR.") from None
        yield


def free_port() -> int:
    """A port that nothing listens on, below those that systems give to connections and to port 0.

    So nothing takes it by chance before a server binds it.
    """
    while True:
        port = LOWEST_PORT + secrets.randbelow(HIGHEST_PORT - LOWEST_PORT)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise StackError(f"port {port} needs root: set PORT to one above 1023.") from None
        except OSError:
            raise StackError(f"port {port} is taken by another program: set PORT to a free one.") from None
