from __future__ import annotations

import time
from pathlib import Path

import pytest

from autogpt.core.errors import ConfigError
from autogpt.evaluation.energy import WATTS_PER_CORE, EnergyMeter


def counter(powercap: Path, zone: str, name: str, energy_uj: int) -> Path:
    folder = powercap / zone
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "max_energy_range_uj").write_text("1000000000\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    return folder / "energy_uj"


def test_packages_and_memory_are_measured_and_nothing_twice(tmp_path: Path) -> None:
    package = counter(tmp_path, "intel-rapl:0", "package-0", 100)
    memory = counter(tmp_path, "intel-rapl:0:1", "dram", 5)
    cores = counter(tmp_path, "intel-rapl:0:0", "core", 0)  # part of the package
    whole = counter(tmp_path, "intel-rapl:1", "psys", 0)  # contains the package
    meter = EnergyMeter(powercap=tmp_path)
    meter.start()
    package.write_text("36000100\n")
    memory.write_text("5\n")
    cores.write_text("900000000\n")
    whole.write_text("900000000\n")
    meter.sample()
    memory.write_text("36000005\n")
    estimate = meter.stop()
    assert estimate.kwh == pytest.approx(72 / 3.6e6)
    assert estimate.measured
    assert "RAPL" in estimate.basis


def test_a_counter_that_starts_over_is_followed(tmp_path: Path) -> None:
    package = counter(tmp_path, "intel-rapl:0", "package-0", 999_000_000)
    meter = EnergyMeter(powercap=tmp_path)
    package.write_text("1000000\n")
    assert meter.stop().kwh == pytest.approx(2 / 3.6e6)


def test_without_a_counter_it_is_an_estimate_that_says_so(tmp_path: Path) -> None:
    meter = EnergyMeter(powercap=tmp_path / "absent")
    begin = time.process_time()
    while time.process_time() - begin < 0.1:
        pass
    spent_s = time.process_time() - begin
    estimate = meter.stop()
    assert not estimate.measured
    assert spent_s * 0.8 <= estimate.kwh * 3.6e6 / WATTS_PER_CORE <= spent_s * 3 + 0.1
    assert "not a measurement" in estimate.basis
    assert "Green Algorithms" in estimate.basis


def test_power_given_by_the_user_is_used(tmp_path: Path) -> None:
    estimate = EnergyMeter(powercap=tmp_path, watts_per_core=5.0).stop()
    assert "5 W per busy core." in estimate.basis


def test_a_counter_that_never_moves_is_not_believed(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", 0)
    assert not EnergyMeter(powercap=tmp_path).stop().measured


def test_an_unreadable_counter_is_passed_over(tmp_path: Path) -> None:
    counter(tmp_path, "intel-rapl:0", "package-0", 0).write_text("")
    assert not EnergyMeter(powercap=tmp_path).stop().measured


def test_a_country_says_how_much_carbon_dioxide_it_stands_for(tmp_path: Path) -> None:
    pytest.importorskip("codecarbon", reason="the extra 'carbon' is not installed")
    counter(tmp_path, "intel-rapl:0", "package-0", 0)
    meters = {code: EnergyMeter(powercap=tmp_path, country=code) for code in ("CHN", "FRA")}
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("900000000\n")
    china, france = (meters[code].stop() for code in ("CHN", "FRA"))
    assert china.grams_per_kwh is not None
    assert china.co2_kg == pytest.approx(900 / 3.6e6 * china.grams_per_kwh / 1000)
    assert france.co2_kg is not None
    assert 0 < france.co2_kg < china.co2_kg  # reactors beside coal
    assert EnergyMeter(powercap=tmp_path).stop().co2_kg is None


@pytest.mark.parametrize(("code", "near"), [("CHI", "Did you mean"), ("XQX", "")])
def test_a_country_that_is_not_known_is_refused(code: str, near: str) -> None:
    pytest.importorskip("codecarbon", reason="the extra 'carbon' is not installed")
    with pytest.raises(ConfigError, match=f"(?s)no country whose power.*{near}"):
        EnergyMeter(country=code)
