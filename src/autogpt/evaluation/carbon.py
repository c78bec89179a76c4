"""How much carbon dioxide a kilowatt-hour stands for, in the country whose power was used.

From the tables that CodeCarbon (2019-2026) brings with it: what a country's power plants of a year
gave off for each kilowatt-hour, CO2 and other gases as its equivalent. Nothing is looked up: where
the machine stands is said by the user and never guessed from an address.

Not counted: making the machine, cooling, and what a certificate of green power would change.
"""

from __future__ import annotations

import difflib
import math

from autogpt.core.errors import ConfigError, MissingExtraError

__all__ = ["grams_per_kwh"]


def grams_per_kwh(country: str) -> float:
    """Return the grams of CO2 equivalent of a kilowatt-hour.

    Args:
        country: ISO 3166-1 alpha-3 code, as ``CHN``, ``DEU`` or ``USA``.

    Raises:
        MissingExtraError: If CodeCarbon is not installed.
        ConfigError: If it does not know the country.
    """
    try:
        from codecarbon.input import DataSource
    except ImportError as error:
        raise MissingExtraError(
            error.name or "codecarbon", extra="carbon", purpose="Estimating carbon dioxide"
        ) from error
    source = DataSource()  # type: ignore[no-untyped-call] # CodeCarbon's
    table = source.get_global_energy_mix_data()
    found = table.get(country, {}).get("carbon_intensity")
    if not isinstance(found, int | float) or not 0 <= found < math.inf:
        near = difflib.get_close_matches(country.upper(), table, n=1)
        raise ConfigError(
            f"training.country = {country!r} is no country whose power CodeCarbon knows.",
            hint=f"Did you mean {near[0]!r}?" if near else "Write three letters, as CHN or DEU.",
        )
    return float(found)
