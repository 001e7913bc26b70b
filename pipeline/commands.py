"""Run the programs of a job, with no more of its environment than they need."""

from __future__ import annotations

import codecs
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.excerpt import Output

ROOT = Path(__file__).resolve().parent.parent
WRANGLER = ROOT / "node_modules" / ".bin" / "wrangler"
# How to find programs and to reach the network. Tokens are not among them: a package's install script, or a
# build command, sees all of this.
PASSED_ON = (
    *("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("NPM_CONFIG_REGISTRY", "npm_config_registry", "UV_DEFAULT_INDEX", "UV_FIND_LINKS"),
)
FIXED = {
    "CI": "true",
    "FORCE_COLOR": "0",
    "NO_COLOR": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "npm_config_audit": "false",
    "npm_config_engine_strict": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    # A yarn 1 that npm fetched does not stop at a `packageManager` of another version.
    "SKIP_YARN_COREPACK_CHECK": "1",
    "UV_PYTHON": sys.executable,
    "UV_PYTHON_DOWNLOADS": "never",
    "WRANGLER_SEND_METRICS": "false",
}
# Addresses for people with a key, of what everyone may read: in submodules and in packages.
WITH_A_KEY = ("git@github.com:", "ssh://git@github.com/", "git://github.com/")
ANONYMOUS = {
    "GIT_CONFIG_COUNT": str(len(WITH_A_KEY)),
    **{f"GIT_CONFIG_KEY_{n}": "url.https://github.com/.insteadOf" for n in range(len(WITH_A_KEY))},
    **{f"GIT_CONFIG_VALUE_{n}": address for n, address in enumerate(WITH_A_KEY)},
}
# Of a home: where the commands are that a job puts there itself.
COMMANDS = Path(".codius", "bin")
TIMEOUT_SECONDS = 600
# How long until it is noticed that a program has ended whose output another still holds.
WAIT_SECONDS = 0.2


def environment(home: Path) -> dict[str, str]:
    """What a program sees; its home is an empty folder of this job."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    own = {"HOME": str(home), "WRANGLER_LOG_PATH": str(home / "wrangler-logs")}
    return {**passed, **of_the_home(home), **FIXED, **ANONYMOUS, **own}


def of_the_home(home: Path) -> dict[str, str]:
    """What programs look for in a home: the toolchains of rustup, and commands that they install there.

    Of each folder of PATH that is in the real home, the one in this home counts first (`cargo install`).
    """
    real = Path.home()
    path = os.environ.get("PATH", "").split(os.pathsep)
    moved = [str(home / Path(part).relative_to(real)) for part in path if Path(part).is_relative_to(real)]
    found = {"PATH": os.pathsep.join([str(home / COMMANDS), *moved, *path])}
    toolchains = os.environ.get("RUSTUP_HOME") or str(real / ".rustup")
    return found | ({"RUSTUP_HOME": toolchains} if Path(toolchains).is_dir() else {})


class CommandError(PipelineError):
    """A program failed; `output` is the end of what it printed."""

    def __init__(self, message: str, output: Output) -> None:
        super().__init__(message, output.excerpt())
        self.output = output.text


@contextmanager
def no_commands() -> Iterator[None]:
    """What is printed meanwhile is no workflow command ("Stopping and starting workflow commands").

    A program that a build leaves behind can still print later: only jobs that run no app's code rely on it.
    """
    word = secrets.token_hex(16)
    print(f"::stop-commands::{word}", flush=True)
    try:
        yield
    finally:
        print(f"\n::{word}::", flush=True)


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str], failure: str, timeout: int = TIMEOUT_SECONDS
) -> None:
    """Run a program, its output going to the log.

    Raises PipelineError when it doesn't succeed: `failure`, and what it says is wrong.
    """
    output = Output()
    with no_commands():
        status = status_of(command, cwd, env, failure, timeout, output)
    if status != 0:
        raise CommandError(sentence(failure, output.first_error()), output)


def output_of(*command: str | Path, cwd: Path, env: Mapping[str, str], failure: str) -> str:
    """What a program prints. Raises PipelineError as `run` does."""
    try:
        done = subprocess.run(  # noqa: S603
            [str(part) for part in command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
        )
    except FileNotFoundError as error:
        raise PipelineError(f"{command[0]} is not installed.") from error
    except subprocess.TimeoutExpired as error:
        raise PipelineError(too_slow(failure, TIMEOUT_SECONDS)) from error
    if done.returncode != 0:
        output = Output()
        output.take(done.stderr)
        raise CommandError(sentence(failure, output.first_error()), output)
    return done.stdout.strip()


def status_of(
    command: Sequence[str | Path],
    cwd: Path,
    env: Mapping[str, str],
    failure: str,
    timeout: int,
    output: Output,
) -> int:
    """Run a program whose output goes to `output` and to the log; nothing that it started outlives it."""
    try:
        process = subprocess.Popen(  # noqa: S603
            [str(part) for part in command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise PipelineError(f"{command[0]} is not installed.") from error
    with process:
        try:
            for piece in pieces_of(process, time.monotonic() + timeout):
                sys.stdout.write(piece)
                sys.stdout.flush()
                output.take(piece)
        except subprocess.TimeoutExpired as error:
            raise PipelineError(too_slow(failure, timeout)) from error
        finally:
            end(process)
    return process.returncode


def pieces_of(process: subprocess.Popen[bytes], deadline: float) -> Iterator[str]:
    """What a program prints until it ends: a program that it left behind may hold its output open."""
    assert process.stdout is not None
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        if time.monotonic() > deadline:
            raise subprocess.TimeoutExpired(process.args, 0)
        has_ended = process.poll() is not None
        if has_ended:
            end(process)
        if select.select([process.stdout], [], [], 0 if has_ended else WAIT_SECONDS)[0]:
            piece = os.read(process.stdout.fileno(), 65_536)
            yield decoder.decode(piece, final=not piece)
            if not piece:
                process.wait(max(0, deadline - time.monotonic()))
                return
        elif has_ended:
            return


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program, and the others of its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def sentence(failure: str, words: str) -> str:
    failure = failure.rstrip(".")
    return f"{failure}: {words}" if words else f"{failure}."


def too_slow(failure: str, timeout: int) -> str:
    return f"{failure}: it took more than {timeout} seconds."
