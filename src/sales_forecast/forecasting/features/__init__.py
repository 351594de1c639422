"""What methods learn from.

A new feature is part of a block in ``builder``; sums over other stores are made in ``history``, arithmetic
over weeks in ``lags``; the group that explains a forecast is declared where ``builder`` yields the block.
"""
