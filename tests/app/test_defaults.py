"""A key that a config leaves out means what the constructor says, and nothing else.

``config.get("effective_beta", 0.0)`` gave losses no weights where the constructor's default would have given them some.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import arcvae

PACKAGE = Path(arcvae.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "conf" not in path.parts)
NO_CONFIG = ("os.environ", "self.renamed", "payload")
"""Mappings that are not read from a config: the environment, names that a task gives to metrics, a cache file."""


def second_defaults(code: str) -> list[str]:
    """Expressions that give a value to a key that a mapping leaves out.

    Example:
        >>> second_defaults("c.get('a', 0.5) + c.get('b', None) + c.get('d', {}).get('e')")
        ["c.get('a', 0.5)"]
    """
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            used = _is_lookup(node.values[0]) and any(_is_value(value) for value in node.values[1:])
        else:
            used = _is_lookup(node) and isinstance(node, ast.Call) and len(node.args) > 1 and _is_value(node.args[1])
        if used:
            found.append(ast.unparse(node))
    return found


def _is_lookup(node: ast.AST) -> bool:
    """Whether a node is ``mapping.get("key", ...)`` or the like."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return False
    key, mapping = node.args[0], ast.unparse(node.func.value)
    named = isinstance(key, ast.Constant) and isinstance(key.value, str)
    return named and node.func.attr in ("get", "pop", "setdefault") and mapping not in NO_CONFIG


def _is_value(node: ast.AST) -> bool:
    """Whether a node is a number, a word, a truth value, or a list of such; ``None`` and what is empty say nothing."""
    if isinstance(node, ast.UnaryOp):
        return _is_value(node.operand)
    if isinstance(node, ast.List | ast.Tuple):
        return any(_is_value(item) for item in node.elts)
    return isinstance(node, ast.Constant) and node.value not in (None, "")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("loss.get('effective_beta', 0.0)", True),
        ("config['loss'].get('class_weights', 'none')", True),
        ("node.pop('x', -1)", True),
        ("node.setdefault('strict', False)", True),
        ("node.get('widths', [32, 64])", True),
        ("(node.get('share') or 1) * 2", True),
        ("node.get('x')", False),
        ("node.get('x', None)", False),
        ("node.get('loss', {})", False),
        ("node.get('tags') or []", False),
        ("node.get('monitor', monitor)", False),
        ("os.environ.get('LOCAL_RANK', '0')", False),
        ("node.get(key, 0)", False),
    ],
)
def test_search_finds_second_defaults_and_nothing_else(code: str, found: bool) -> None:
    assert bool(second_defaults(code)) == found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_key_has_a_second_default(path: Path) -> None:
    assert second_defaults(path.read_text()) == []
