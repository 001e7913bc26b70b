import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from local import setup
from local.setup import SetupError, Step


class Installer:
    """A step with one input and one product, in a repository of its own."""

    def __init__(self, root: Path, name: str = "tools") -> None:
        self.root = root
        self.runs = 0
        self.failure: BaseException | None = None
        self.lock = root / f"{name}.lock"
        self.product = root / name / "installed"
        self.step = Step(name, (self.lock.name,), f"{name}/installed", self._install)
        self.lock.write_text("one")

    def _install(self) -> None:
        self.runs += 1
        if self.failure is not None:
            raise self.failure
        self.product.mkdir(parents=True, exist_ok=True)


@pytest.fixture
def installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installer:
    installer = Installer(tmp_path)
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(setup, "STAMPS", tmp_path / "stamps")
    monkeypatch.setattr(setup, "STEPS", (installer.step,))
    return installer


# Steps.


def test_a_step_is_done_once_it_ran(installer: Installer) -> None:
    assert not installer.step.is_done()
    assert setup.main() == 0
    assert installer.step.is_done()
    assert setup.main() == 0
    assert installer.runs == 1


def test_a_step_runs_again_when_an_input_changed(installer: Installer) -> None:
    setup.main()
    installer.lock.write_text("two")
    assert not installer.step.is_done()
    setup.main()
    assert installer.step.is_done()
    assert installer.runs == 2


def test_steps_that_are_done_are_left_alone(installer: Installer, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Installer(installer.root, "other")
    monkeypatch.setattr(setup, "STEPS", (installer.step, other.step))
    setup.main()
    other.lock.write_text("two")
    setup.main()
    assert (installer.runs, other.runs) == (1, 2)


def test_a_step_runs_again_when_its_product_is_gone(installer: Installer) -> None:
    setup.main()
    installer.product.rmdir()
    assert not installer.step.is_done()
    setup.main()
    assert installer.runs == 2


def test_a_step_without_its_input_is_not_done(installer: Installer) -> None:
    setup.main()
    installer.lock.unlink()
    assert not installer.step.is_done()


def test_a_step_runs_again_under_another_python(
    installer: Installer, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup.main()
    monkeypatch.setattr(sys, "version", sys.version + " (another)")
    assert not installer.step.is_done()


def test_a_step_that_failed_is_told_and_tried_again(
    installer: Installer, capsys: pytest.CaptureFixture[str]
) -> None:
    setup.main()
    installer.lock.write_text("two")
    installer.failure = SetupError("Do this.", "\n".join(f"line {number}." for number in range(30)))
    assert setup.main() == 1
    error = capsys.readouterr().err
    assert "Set-up stopped: Do this." in error
    assert "line 29." in error
    assert "line 9." not in error
    installer.lock.write_text("one")
    assert not installer.step.is_done()
    installer.failure = None
    assert setup.main() == 0
    assert installer.runs == 3


def test_an_interrupted_step_is_tried_again(installer: Installer) -> None:
    installer.failure = KeyboardInterrupt()
    assert setup.main() == 130
    installer.failure = None
    assert setup.main() == 0
    assert installer.step.is_done()


def test_every_step_of_the_project_has_its_inputs_and_a_stamp_of_its_own() -> None:
    stamps = {step.stamp for step in setup.STEPS}
    assert len(stamps) == len(setup.STEPS) > 0
    for step in setup.STEPS:
        for name in step.inputs:
            assert (setup.ROOT / name).is_file(), step.title


# Commands.


def python(code: str) -> tuple[str, str, str]:
    return sys.executable, "-c", code


def test_a_command_that_succeeds_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    setup.run(*python("print('chatter')"), hint="unused")
    assert capfd.readouterr() == ("", "")


def test_a_failing_command_gives_its_hint_and_output() -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    with pytest.raises(SetupError, match=r"^Do this\.$") as failure:
        setup.run(*python(code), hint="Do this.")
    assert sorted(failure.value.output.split()) == ["err", "out"]


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "STEP_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(SetupError, match=r"Do this\."):
        setup.run(*python("import time; time.sleep(60)"), hint="Do this.")


def test_a_command_runs_in_the_repository_with_its_tools_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    setup.run(
        *python(
            "import os; assert os.environ['EXTRA'] == 'x';"
            f"assert os.getcwd() == {str(setup.ROOT)!r};"
            f"assert os.environ['PATH'].startswith({str(setup.VENV_BIN)!r} + os.pathsep)"
        ),
        hint="unused",
        env={"EXTRA": "x"},
    )


# What must be there already.


def test_an_old_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    old = SimpleNamespace(version_info=(3, 10, 9), version="3.10.9 (main)", executable="/usr/bin/python3")
    monkeypatch.setattr(setup, "sys", old)
    with pytest.raises(SetupError, match=r"/usr/bin/python3 is 3\.10\.9\.$"):
        setup.check_tools()


def test_windows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "os", SimpleNamespace(name="nt"))
    with pytest.raises(SetupError, match="WSL"):
        setup.check_tools()


def test_git_is_needed(installer: Installer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(installer.root))
    with pytest.raises(SetupError, match="git"):
        setup.check_tools()
    assert setup.main() == 1
    assert installer.runs == 0
