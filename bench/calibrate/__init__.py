"""Do the metrics see known faults, and do they agree with people?"""

from bench.calibrate.faults import FAULTS, Case, make_cases
from bench.calibrate.ratings import calibrate_ratings
from bench.calibrate.run import calibrate
from bench.calibrate.tables import tables

__all__ = ["FAULTS", "Case", "calibrate", "calibrate_ratings", "make_cases", "tables"]
