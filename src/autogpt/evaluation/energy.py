"""How much energy a run took, and how that is known.

Where the processor's own counter can be read (RAPL, through the powercap folder of Linux) the
figure is measured: package plus memory. The counter is usually readable by root alone since 2020
(CVE-2020-8694) and hidden from virtual machines. Everywhere else it is an estimate that says so:
processor time times an assumed power for each busy core.

Not counted either way: power supply, cooling, screen, disks, graphics cards.

Sources: "Power Capping Framework", Linux kernel documentation (2013); Green Algorithms
(Lannelongue, Grealey, Inouye, 2021), whose hardware table gives 12.0 W a core for any processor.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from autogpt.evaluation.carbon import grams_per_kwh

__all__ = ["WATTS_PER_CORE", "EnergyEstimate", "EnergyMeter"]

WATTS_PER_CORE = 12.0
"""The "Any" row of the Green Algorithms processor table, version 3.0; its others span 4 to 24."""

_POWERCAP = Path("/sys/class/powercap")
_PACKAGE = re.compile(r"intel-rapl:\d+")
_JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyEstimate:
    """Energy in kilowatt-hours, and in one or two sentences how it was found.

    Attributes:
        kwh: Energy, 0 or more.
        measured: Whether a hardware counter was read; otherwise ``kwh`` is an estimate.
        basis: The sentences to show beside the figure.
        grams_per_kwh: Of CO2 equivalent, where the country is known.
    """

    kwh: float
    measured: bool
    basis: str
    grams_per_kwh: float | None = None

    @property
    def co2_kg(self) -> float | None:
        """Kilograms of CO2 equivalent; None where no country was named."""
        return None if self.grams_per_kwh is None else self.kwh * self.grams_per_kwh / 1000


class EnergyMeter:
    """Measures or estimates the energy between ``start`` and ``stop``.

    The hardware counter starts over at its end, about every 40 minutes at 100 W, so call ``sample``
    now and then (every few minutes of a long run).

    Args:
        watts_per_core: Assumed power of one busy core, used where no counter can be read.
        powercap: The folder where the kernel shows the counters.
        country: Where the power is from, to say how much CO2 it stands for; see ``carbon``.

    Raises:
        MissingExtraError: If a country is given and the extra ``carbon`` is not installed.
        ConfigError: If the country is not known.
    """

    def __init__(
        self,
        *,
        watts_per_core: float = WATTS_PER_CORE,
        powercap: Path = _POWERCAP,
        country: str | None = None,
    ) -> None:
        self._grams_per_kwh = None if country is None else grams_per_kwh(country)
        self._watts_per_core = watts_per_core
        self._zones = _counters(powercap)
        self._joules = 0.0
        self._last = [zone.read() for zone in self._zones]
        self._cpu_start_s = _cpu_time_s()

    def start(self) -> None:
        """Begin at zero, now; making the meter does so too."""
        self._joules = 0.0
        self._last = [zone.read() for zone in self._zones]
        self._cpu_start_s = _cpu_time_s()

    def sample(self) -> None:
        """Add what the counters moved since the last look."""
        for index, zone in enumerate(self._zones):
            now = zone.read()
            before = self._last[index]
            if now is None or before is None:
                continue
            moved = now - before if now >= before else now - before + zone.range_uj
            self._joules += moved / 1e6
            self._last[index] = now

    def stop(self) -> EnergyEstimate:
        """Return the energy since ``start``. The meter may go on and be asked again."""
        self.sample()
        if self._joules > 0:
            return EnergyEstimate(
                kwh=self._joules / _JOULES_PER_KWH,
                measured=True,
                basis="Measured with the processor's own energy counter (RAPL, processor and "
                "memory). It includes whatever else the machine ran meanwhile, and leaves out "
                "power supply and cooling.",
                grams_per_kwh=self._grams_per_kwh,
            )
        cpu_s = max(_cpu_time_s() - self._cpu_start_s, 0.0)
        watts = self._watts_per_core
        return EnergyEstimate(
            kwh=cpu_s * watts / _JOULES_PER_KWH,
            measured=False,
            basis=f"A rough estimate, not a measurement: {cpu_s:,.0f} s of processor time at "
            f"{watts:g} W per busy core{_default_note(watts)}. Memory, power supply and cooling "
            "are left out.",
            grams_per_kwh=self._grams_per_kwh,
        )


@dataclass(frozen=True, slots=True)
class _Counter:
    energy: Path
    range_uj: int

    def read(self) -> int | None:
        try:
            return int(self.energy.read_text())
        except (OSError, ValueError):
            return None


def _counters(powercap: Path) -> list[_Counter]:
    """Return one counter for each processor package, and for memory where it is counted apart."""
    found: list[_Counter] = []
    for zone in sorted(powercap.glob("intel-rapl:*")):
        try:
            name = (zone / "name").read_text().strip()
            range_uj = int((zone / "max_energy_range_uj").read_text())
        except (OSError, ValueError):
            continue
        package = _PACKAGE.fullmatch(zone.name) is not None and name.startswith("package")
        if package or name == "dram":
            counter = _Counter(zone / "energy_uj", range_uj)
            if counter.read() is not None:
                found.append(counter)
    return found


def _cpu_time_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _default_note(watts: float) -> str:
    if watts != WATTS_PER_CORE:
        return ""
    return (
        " (what Green Algorithms, 2021, assumes for an unknown processor; known ones span 4 to 24 "
        "W, so the truth may be a third of it or twice as much)"
    )
