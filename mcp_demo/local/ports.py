"""The ports of a local run: which they are, which are free, and who holds one that is not."""

import random
import socket
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from mcp_demo.errors import SetupError

HOST = "127.0.0.1"
# Below the range that systems take the ports of outgoing connections from.
_FREE_RANGE = range(20_000, 32_000)
_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each part listens."""

    static: int = 3000
    server: int = 3001
    auto: int = 3002
    metadata: int = 3003
    bridge: int = 3004
    downstream: int = 3005
    aws: int = 4566
    domain: int = 4567

    @classmethod
    def names(cls) -> list[str]:
        """The names of the parts."""
        return [field.name for field in fields(cls)]

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nobody uses at this moment."""
        with ExitStack() as held:
            return cls(**{name: _take_free(held) for name in cls.names()})

    def changed(self, choices: list[str]) -> "Ports":
        """These ports, with choices like `server=4001` applied.

        Raises:
            ValueError: A choice is not of that form.
        """
        chosen: dict[str, int] = {}
        for choice in choices:
            name, _, number = choice.partition("=")
            if name not in self.names() or not number.isdigit() or not 0 < int(number) < 65_536:
                raise ValueError(f"{choice} is not like server=4001; the parts are {', '.join(self.names())}.")
            chosen[name] = int(number)
        return replace(self, **chosen)

    def require_free(self, names: list[str]) -> None:
        """Make sure that nobody listens on the ports of these parts.

        Raises:
            SetupError: Names the first port that is taken, and by whom.
        """
        numbers = asdict(self)
        for name in names:
            number: int = numbers[name]
            twin = next((other for other in names if other != name and numbers[other] == number), None)
            if twin:
                raise SetupError(f"Port {number} is given to {name} and {twin}.", f"Choose another: --port {name}=N.")
            if not _is_free(number):
                holder = _holder(number)
                raise SetupError(
                    f"Port {number} of the {name} part is taken{f' by {holder}' if holder else ''}.",
                    f"End that program, or choose another port: mcp-demo up --port {name}={number + 1000}",
                )


def _take_free(held: ExitStack) -> int:
    while True:
        number = random.choice(_FREE_RANGE)  # noqa: S311  # a port, not a secret
        candidate = held.enter_context(socket.socket())
        with suppress(OSError):
            candidate.bind((HOST, number))
            return number


def _is_free(number: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except OSError:
            return False
    return True


def _holder(number: int) -> str | None:
    """The program that listens on a port, where the system tells: Linux, and our own or root's eyes only."""
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            rows = [line.split() for line in Path(table).read_text(encoding="ascii").splitlines()[1:]]
            inodes |= {row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == number}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted and any(str(link.readlink()) in wanted for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text(encoding='utf-8').strip()} (process {process.name})"
    return None
