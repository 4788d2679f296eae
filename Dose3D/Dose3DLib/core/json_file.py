"""Results as JSON files that any reader takes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

__all__ = ["write_json"]


def write_json(path: Path, content: Any) -> None:
    """UTF-8, whatever the texts hold; null for numbers that are not finite, which JSON does not know (RFC 8259)."""
    text = json.dumps(_known(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
