"""The invented chain of sports shops: its departments, towns, holidays and the traps in its data."""

from dataclasses import dataclass

import pandas as pd

WEEKS = pd.date_range("2012-12-29", "2017-09-30", freq="7D")
FUTURE_WEEKS = pd.date_range("2017-10-07", "2017-11-25", freq="7D")
FIRST_STORE = 101
MIN_STORES = 10  # the traps below live in the first ten stores


@dataclass(frozen=True)
class Department:
    """What makes a department sell. Lifts are factors on a week's turnover."""

    turnover_2016: int  # currency units, calendar year, all stores
    level_2016: float  # factor on the weeks of LEVEL_SHIFT
    monthly_index: tuple[float, ...]  # mid-month, January first, about 1 on average
    easter_lift: float
    school_holiday_lift: float
    noise: float  # standard deviation of log turnover, week to week
    idle: float  # share of weeks without a sale in a store of median size


# fmt: off
DEPARTMENTS = {
    127: Department(33_402_030, 2.00, (1.15, 0.95, 0.70, 0.75, 0.90, 1.20, 2.25, 1.40,
                                       0.70, 0.65, 0.70, 0.95), 1.10, 1.05, 0.11, 0.000),
    117: Department(6_322_402, 1.31, (4.10, 2.55, 1.15, 0.10, 0.00, 0.00, 0.00, 0.00,
                                      0.00, 0.50, 1.40, 2.30), 1.00, 1.35, 0.16, 0.003),
    88: Department(5_654_691, 1.05, (1.20, 1.00, 0.95, 0.90, 0.85, 0.90, 0.95, 0.95,
                                     1.40, 1.10, 0.85, 0.95), 0.93, 0.97, 0.12, 0.008),
    73: Department(1_960_281, 2.00, (0.55, 0.60, 0.80, 1.05, 1.25, 1.40, 1.80, 1.40,
                                     1.00, 0.85, 0.60, 0.65), 1.20, 1.10, 0.18, 0.030),
}
# fmt: on
LEVEL_SHIFT = ("2016-01-09", "2016-12-31")  # first and last week at the 2016 level
UNSHIFTED_EVERY = 20  # one store in twenty keeps its level through 2016

# Traps, by store number.
SPIKE = (102, 88, "2013-11-02", 1_000_000.0)
DROPPED = (103, 73, "2016-06-25")  # first week without the department
GAP = (105, 88, ("2015-03-07", "2015-03-14"))
OPENINGS = {
    104: "2013-12-14",
    106: "2015-06-27",
    107: "2016-04-02",
    108: "2016-11-26",
    109: "2017-08-05",
}
STORES_WITHOUT_SALES = 2  # in the attributes only

EASTER_WEEKS = ("2013-03-30", "2014-04-19", "2015-04-04", "2016-03-26", "2017-04-15")
# First of the two Saturdays that open the winter school holidays, by school zone.
WINTER_HOLIDAYS = {
    "A": ("2013-02-23", "2014-03-01", "2015-02-07", "2016-02-13", "2017-02-18"),
    "B": ("2013-02-16", "2014-02-22", "2015-02-21", "2016-02-06", "2017-02-11"),
    "C": ("2013-03-02", "2014-02-15", "2015-02-14", "2016-02-20", "2017-02-04"),
}

# Towns as "postcode latitude longitude", by region and school zone. The numbers of the regions
# are ours, and their first digit is the zone.
TOWNS = {
    (11, "B"): "59000 50.63 3.06, 62000 50.29 2.78, 80000 49.89 2.30, 59140 51.03 2.38",
    (12, "C"): "75012 48.84 2.39, 78000 48.80 2.13, 94000 48.79 2.46, 77100 48.96 2.89",
    (13, "B"): "76000 49.44 1.10, 76600 49.49 0.11, 76200 49.92 1.08, 27000 49.02 1.15",
    (21, "A"): "35000 48.11 -1.68, 29200 48.39 -4.49, 56000 47.66 -2.76, 22000 48.51 -2.77",
    (22, "A"): "44000 47.22 -1.55, 49000 47.47 -0.55, 72000 48.01 0.20, 85000 46.67 -1.43",
    (31, "B"): "67000 48.57 7.75, 68000 48.08 7.36, 25000 47.24 6.02, 21000 47.32 5.04",
    (32, "A"): "69003 45.76 4.85, 38000 45.19 5.72, 74000 45.90 6.13, 73000 45.56 5.92",
    (33, "A"): "63000 45.78 3.09, 42000 45.44 4.39, 26000 44.93 4.89, 01000 46.21 5.23",
    (41, "C"): "33000 44.84 -0.58, 64000 43.30 -0.37, 24000 45.18 0.72, 40000 43.89 -0.50",
    (42, "A"): "31000 43.60 1.44, 81000 43.93 2.15, 34000 43.61 3.88, 30000 43.84 4.36",
    (43, "B"): "13008 43.25 5.39, 06000 43.70 7.27, 83000 43.12 5.93, 05000 44.56 6.08",
}
ATTRIBUTES = [
    "but_num_business_unit",
    "but_postcode",
    "but_latitude",
    "but_longitude",
    "but_region_idr_region",
    "zod_idr_zone_dgr",
]
