"""One CPU thread for each group of heads, instead of all threads for each small operation.

A block of an attention map is so small that two threads working on it wait for one another at every
step; two threads on heads of their own do not.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch


def share_heads(work: Callable[[slice], None], heads: int) -> None:
    """Call ``work`` for slices that together are all heads, at the same time.

    As many threads as torch has (at most one for each head), each with operations of one thread.
    Afterwards torch's number is what it was. The workers have the caller's gradient and inference
    mode, but neither its autocast nor its torch function modes. The first error is raised again.
    """
    threads = torch.get_num_threads()
    parts = min(threads, heads)
    if parts == 1:
        work(slice(0, heads))
        return
    gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    def one(part: int) -> None:
        torch.set_num_threads(1)
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            work(slice(heads * part // parts, heads * (part + 1) // parts))

    try:
        with ThreadPoolExecutor(parts) as pool:
            for _ in pool.map(one, range(parts)):
                pass
    finally:
        torch.set_num_threads(threads)
