"""How a deploy stops."""

from __future__ import annotations


class DeployError(Exception):
    """Something that the operator has to put right; the message says what, and how."""
