"""The figures of outages.py, of which tests/service/bad_days.py --scorecard prints the whole."""

import pytest

import outages


def test_redis_restarts(tmp_path):
    """In short: how much slower it gets is judged where the machine is quiet."""
    [(_, words)] = outages.redis_restarts(tmp_path / "stage", 0.1, rounds=2)
    assert ": 0 of " in words, words


@pytest.mark.parametrize("line", outages.LINES)
def test_scorecard(tmp_path, line, request):
    if not request.config.getoption("--full"):
        pytest.skip("with --full")
    for holds, words in line(tmp_path / "stage", 0.1):
        assert holds, words
