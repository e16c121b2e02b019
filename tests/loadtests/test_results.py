"""The table of results."""

from pathlib import Path

from loadtests.results import Results, Row


def test_scenarios_that_are_run_one_by_one_add_up_to_one_table(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    rules = Row("rules", "visreward", 6000.0, "direct", 500.0, aim="≥ 5,000")
    Results(path).put("rules", rules, "1.0 to 1.2")
    Results(path).put("healthz", Row("healthz", "visreward", 12.5, unit="ms"), "2.0 to 2.0")
    lines = Results(path).table(["healthz", "rules"]).splitlines()
    assert len(lines) == 4
    assert lines[2] == "| healthz | visreward | 12.5 ms | – | – | – | – |  | 2.0 to 2.0 |"
    assert "| 6,000 items/s | direct | 500 items/s | 12.00 | ≥ 5,000 |" in lines[3]


def test_a_system_that_runs_again_takes_the_place_of_its_row(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.json")
    for row in (Row("rules", "visreward", 1.0), Row("rules", "other", 2.0), Row("rules", "visreward", 3.0)):
        results.put("rules", row, "1 to 1")
    assert results.table(["rules"]).count("visreward") == 1
    assert "| rules | visreward | 3 items/s |" in results.table(["rules"])
    assert "| rules | other | 2 items/s |" in results.table(["rules"])


def test_what_has_nothing_beside_it_has_no_ratio() -> None:
    assert Row("grpo", "a peer", 0.0, note="did not run").ratio is None
    assert Row("grpo", "ours", 50.0, "bare", 40.0).ratio == 1.25
