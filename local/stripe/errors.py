"""How Stripe's API says no: after its reference, "Errors"."""

from __future__ import annotations


class ApiError(Exception):
    """An answer in Stripe's shape for errors."""

    def __init__(self, status: int, type_: str, message: str, code: str = "", parameter: str = "") -> None:
        super().__init__(message)
        self.status = status
        fields = {"type": type_, "message": message, "code": code, "param": parameter}
        self.content = {"error": {name: value for name, value in fields.items() if value}}


def whole(name: str, text: str, most: int = 99_999_999) -> int:
    """A number from 1 to `most`, as a parameter."""
    if not text.isdecimal():
        raise invalid(f"Invalid integer: {text}", "parameter_invalid_integer", name)
    if not 0 < int(text) <= most:
        raise invalid(f"{name} must be from 1 to {most}.", "parameter_invalid_integer", name)
    return int(text)


def money(cents: int) -> str:
    return f"${cents // 100:,}.{cents % 100:02}"


def invalid(message: str, code: str, parameter: str) -> ApiError:
    return ApiError(400, "invalid_request_error", message, code, parameter)


def missing(parameter: str) -> ApiError:
    return invalid(f"Missing required param: {parameter}.", "parameter_missing", parameter)
