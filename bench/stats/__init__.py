"""Paired statistics over prompts: intervals, tests, ranks and the size a run needs."""

from bench.stats.bootstrap import MIN_PROMPTS, RESAMPLES, Interval, intervals, rank_intervals
from bench.stats.clusters import Clustered, cluster
from bench.stats.paired import Comparison, compare, holm, holm_adjusted
from bench.stats.permutation import sign_flip_p
from bench.stats.power import minimum_detectable_effect, prompts_needed
from bench.stats.proportion import exact_interval

__all__ = [
    "MIN_PROMPTS",
    "RESAMPLES",
    "Clustered",
    "Comparison",
    "Interval",
    "cluster",
    "compare",
    "exact_interval",
    "holm",
    "holm_adjusted",
    "intervals",
    "minimum_detectable_effect",
    "prompts_needed",
    "rank_intervals",
    "sign_flip_p",
]
