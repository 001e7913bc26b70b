"""GitHub Actions' expressions, as far as this repository's workflows use them.

After "Evaluate expressions in workflows and actions" of GitHub's documentation: contexts read by dots,
literals, `==`, `!=`, `&&`, `||`, `!`, parentheses, `format()` and the status functions. Strings compare
without regard to case, names too, and null, false, 0 and "" are false. Anything else is refused; what isn't
has the value that GitHub's own package `@actions/expressions` gives it, to which a test holds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.github.expression_values import WorkflowError, equal, formatted, text_of, truthy

CONTEXTS = frozenset({"inputs", "secrets", "vars", "github", "needs", "steps", "runner", "env", "job"})
STATUS_FUNCTIONS = frozenset({"always", "success", "failure", "cancelled"})
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<name>[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)|(?P<operator>==|!=|&&|\|\||[!(),]))",
    re.ASCII,
)
LITERALS: dict[str, Any] = {"true": True, "false": False, "null": None}

# Evaluates a parsed expression.
Evaluate = Callable[["Contexts"], Any]


@dataclass(frozen=True, slots=True)
class Contexts:
    """What an expression can see: `values` by context, and what has happened before (`status`)."""

    values: Mapping[str, Any]
    status: str = "success"  # or "failure", "cancelled"

    def lookup(self, path: Sequence[str]) -> Any:
        """The value at a path like ("inputs", "ref"); null where there is none, as on GitHub."""
        value: Any = self.values
        for name in path:
            if not isinstance(value, Mapping):
                return None
            value = next((value[key] for key in value if key.lower() == name.lower()), None)
        return value


def render(template: str, contexts: Contexts) -> str:
    """Replace each `${{ … }}` of a template by its value. The values aren't looked at again."""
    return EXPRESSION.sub(lambda match: text_of(parse(match[1])(contexts)), template)


def condition_holds(condition: str, contexts: Contexts) -> bool:
    """Evaluate an `if:`, with or without `${{ }}`. One that asks for no status also needs success()."""
    source = bare(condition)
    if not asks_status(source) and contexts.status != "success":
        return False
    return truthy(parse(source)(contexts))


def bare(condition: str) -> str:
    whole = EXPRESSION.fullmatch(condition.strip())
    return whole[1] if whole else condition


def asks_status(source: str) -> bool:
    return any(kind == "name" and value.lower() in STATUS_FUNCTIONS for kind, value in tokens(source))


def names_in(source: str) -> set[str]:
    """The contexts and functions that an expression names, in lower case."""
    return {value.lower().partition(".")[0] for kind, value in tokens(source) if kind == "name"}


def tokens(source: str) -> list[tuple[str, str]]:
    found, position = [], 0
    source = source.rstrip()
    while position < len(source):
        match = TOKEN.match(source, position)
        if match is None:
            raise WorkflowError(f"the expression {source.strip()!r} has {source[position:].strip()!r}")
        assert match.lastgroup is not None
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


def parse(source: str) -> Evaluate:
    """Parse one expression, without its `${{ }}`; raise WorkflowError naming what isn't known here."""
    return Parser(source).parse()


class Parser:
    """Recursive descent, in GitHub's order of precedence: `!`, then `==` and `!=`, then `&&`, then `||`."""

    def __init__(self, source: str) -> None:
        self._source = source.strip()
        self._tokens = tokens(source)
        self._position = 0

    def parse(self) -> Evaluate:
        result = self._either()
        if self._position < len(self._tokens):
            raise self._error()
        return result

    def _error(self) -> WorkflowError:
        rest = " ".join(value for _, value in self._tokens[self._position :]) or "nothing more"
        return WorkflowError(f"the expression {self._source!r} is not understood at {rest!r}")

    def _take(self, *operators: str) -> str | None:
        """Step over the next token if it is one of these operators."""
        if self._position < len(self._tokens):
            kind, value = self._tokens[self._position]
            if kind == "operator" and value in operators:
                self._position += 1
                return value
        return None

    def _expect(self, operator: str) -> None:
        if not self._take(operator):
            raise self._error()

    def _either(self) -> Evaluate:
        left = self._both()
        while self._take("||"):
            left = either(left, self._both())
        return left

    def _both(self) -> Evaluate:
        left = self._comparison()
        while self._take("&&"):
            left = both(left, self._comparison())
        return left

    def _comparison(self) -> Evaluate:
        left = self._unary()
        while operator := self._take("==", "!="):
            left = comparison(left, self._unary(), operator == "==")
        return left

    def _unary(self) -> Evaluate:
        if self._take("!"):
            operand = self._unary()
            return lambda contexts: not truthy(operand(contexts))
        if self._take("("):
            inner = self._either()
            self._expect(")")
            return inner
        return self._value()

    def _value(self) -> Evaluate:
        if self._position == len(self._tokens):
            raise self._error()
        kind, value = self._tokens[self._position]
        if kind == "operator":
            raise self._error()
        self._position += 1
        if kind == "string":
            return constant(value[1:-1].replace("''", "'"))
        if kind == "number":
            return constant(float(value))
        if value in LITERALS:
            return constant(LITERALS[value])
        if self._take("("):
            return self._call(value.lower())
        path = value.split(".")
        if path[0].lower() not in CONTEXTS:
            raise WorkflowError(f"the expression {self._source!r} reads {value!r}, which isn't known here")
        return lambda contexts: contexts.lookup(path)

    def _call(self, name: str) -> Evaluate:
        arguments = []
        if not self._take(")"):
            arguments.append(self._either())
            while self._take(","):
                arguments.append(self._either())
            self._expect(")")
        if name in STATUS_FUNCTIONS and not arguments:
            return lambda contexts: name in ("always", contexts.status)
        if name == "format" and arguments:
            return lambda contexts: formatted(*(text_of(value(contexts)) for value in arguments))
        raise WorkflowError(f"the expression {self._source!r} calls {name}(), which isn't known here")


def constant(value: Any) -> Evaluate:
    return lambda contexts: value


def either(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(contexts: Contexts) -> Any:
        value = left(contexts)
        return value if truthy(value) else right(contexts)

    return evaluate


def both(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(contexts: Contexts) -> Any:
        value = left(contexts)
        return right(contexts) if truthy(value) else value

    return evaluate


def comparison(left: Evaluate, right: Evaluate, wanted: bool) -> Evaluate:
    return lambda contexts: equal(left(contexts), right(contexts)) is wanted
