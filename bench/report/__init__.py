"""What people read: a static page of a run, and pictures of pairs."""

from bench.report.page import write
from bench.report.pairs import pairs_image

__all__ = ["pairs_image", "write"]
