"""Arguments of operations, checked: a wrong one is a ValueError of one line."""

from __future__ import annotations

from arcvae.grid.codes.object_codes import ObjectCodes


def whole(name: str, value: object, least: int | None = None) -> int:
    """``value``, which must be a whole number.

    Args:
        name: Of the argument, for the message.
        value: What was given; a NumPy integer will do, a bool will not.
        least: Smallest value allowed; None: any.

    Raises:
        ValueError: Anything else.

    Example:
        >>> whole("n", 3, least=1)
        3
    """
    limit = "" if least is None else f" of {least} at least"
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ValueError(f"{name}={value!r} must be a whole number{limit}")
    number = int(value.__index__())
    if least is not None and number < least:
        raise ValueError(f"{name}={number} must be a whole number{limit}")
    return number


def one_of(name: str, value: object, choices: tuple[str, ...]) -> str:
    """``value``, which must be one of some words.

    Raises:
        ValueError: Another value.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}={value!r} must be {' or '.join(repr(choice) for choice in choices)}")
    return value


def require_codes(codes: object) -> None:
    """Refuse what is no codes of objects, such as the numbers that a codec encodes or draws.

    Raises:
        ValueError: Another type.

    Example:
        >>> require_codes([0.5])
        Traceback (most recent call last):
        ValueError: operations take what codec.codes(grids) or codec.as_codes(z) returns, not list
    """
    if not isinstance(codes, ObjectCodes):
        raise ValueError(
            f"operations take what codec.codes(grids) or codec.as_codes(z) returns, not {type(codes).__name__}"
        )


def size_of(codes: ObjectCodes, operation: str) -> tuple[int, int]:
    """Height and width of the grids of codes.

    Raises:
        ValueError: Codes that do not know it, or no codes of objects.
    """
    require_codes(codes)
    if codes.size is None:
        raise ValueError(
            f"{operation} needs the size of the grids; take the codes from codec.codes(grids), or set size="
        )
    return codes.size
