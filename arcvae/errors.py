"""The errors that arcvae foresees: a command prints each as one line and ends with its exit code."""

from __future__ import annotations

from collections.abc import Sequence


def printable(text: str) -> str:
    """Text in one line that a terminal can show: names out of files may hold line breaks and escape sequences.

    Example:
        >>> printable("two\\nlines, \\x1b[31mred")
        'two lines, ?[31mred'
    """
    return "".join(sign if sign.isprintable() else " " if sign.isspace() else "?" for sign in text)


class ArcvaeError(Exception):
    """An error that is foreseen.

    ``str(error)`` says what is wrong, where, and what to do about it; ``code`` is a name that scripts can match on,
    ``exit_code`` the exit status of a command that ends with it.
    """

    code = "E_INTERNAL"
    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))

    def lines(self) -> list[str]:
        """One ``arcvae: error[CODE]: ...`` line for each problem."""
        return [f"arcvae: error[{self.code}]: {self}"]


class ConfigError(ArcvaeError):
    """Keys or values of a config that cannot be used; ``problems`` holds every one found, not just the first."""

    code = "E_CONFIG"
    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [printable(line) for line in ([problems] if isinstance(problems, str) else problems)]
        super().__init__("; ".join(self.problems))

    def lines(self) -> list[str]:
        """One line for each of ``problems``."""
        return [f"arcvae: error[{self.code}]: {problem}" for problem in self.problems]


class DataError(ArcvaeError):
    """A corpus that is missing, damaged, or not what a corpus must be."""

    code = "E_DATA"
    exit_code = 3


class CheckpointError(ArcvaeError):
    """A checkpoint or export that cannot be read, or does not fit what it is used for."""

    code = "E_CKPT"
    exit_code = 4


class FileSystemError(ArcvaeError):
    """The operating system refused to read, write or allocate."""

    code = "E_FILES"
    exit_code = 5


class NonFiniteError(ArcvaeError):
    """The loss became NaN or infinite, and would stay so if training went on."""

    code = "E_NONFINITE"
    exit_code = 6


class BusyError(ArcvaeError):
    """The run folder belongs to another run."""

    code = "E_BUSY"
    exit_code = 7
