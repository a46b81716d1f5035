"""When a revoke is answered it is in force everywhere; revoke_latency.py measures how soon."""

import statistics

import revoke_latency


def test_none_is_taken_after_the_answer():
    hinted, polled, alone = [revoke_latency.measure(name, count, rate=50)
                             for name, count in (("notify-and-redis", 20), ("poll-alone", 10),
                                                 ("embedded", 20))]
    for found, count in ((hinted, 20), (polled, 10), (alone, 20)):
        assert found.is_well and len(found.answered_ms) == len(found.disk_ms) == count, found
        assert found.minted > 0, found
    # A poll is 250 ms away at most; a hint and a process alone need not wait for one.
    assert statistics.median(hinted.answered_ms) < statistics.median(polled.answered_ms)
    assert statistics.median(alone.answered_ms) < statistics.median(polled.answered_ms)
