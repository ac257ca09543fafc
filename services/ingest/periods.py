"""A seller's period, as `services.kit.periods` reads it: manual syncs and audits mean the same by the same words."""

from services.kit.periods import FIRST_YEAR, US_ZONES, Period, PeriodRefused, find_zone, resolve

__all__ = ["FIRST_YEAR", "US_ZONES", "Period", "PeriodRefused", "find_zone", "resolve"]
