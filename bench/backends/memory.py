"""Peak memory while something runs."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class PeakMemory:
    """Measures the peak while entered; afterwards ``mb`` holds it.

    On CUDA: the allocator's peak. On a CPU: the process's peak resident memory, which Linux can
    reset; elsewhere it is the peak since the process began.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.mb = 0.0

    def __enter__(self) -> PeakMemory:
        if self.device.type == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            _reset_resident_peak()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.device.type == "cuda":
            import torch

            self.mb = torch.cuda.max_memory_allocated(self.device) / 2**20
        else:
            self.mb = resident_peak_mb()


def _reset_resident_peak() -> None:
    try:
        _RESET.write_text("5")  # see proc(5): resets VmHWM
    except OSError:
        return  # not Linux, or not allowed: the peak since the process began is reported


def resident_peak_mb() -> float:
    """Peak resident memory of this process in MB since the last reset."""
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    except OSError:
        pass  # no /proc: the portable counter below
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
