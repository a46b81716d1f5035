"""Revokes while a replica hangs or is cut off; partitions.py draws as many rounds as one likes."""

import partitions


def test_nobody_mints_for_what_was_revoked(tmp_path, dice, rounds):
    fleet = partitions.DividedFleet(tmp_path)
    try:
        drawn = partitions.Rounds(fleet.start(), dice.random(), slack_s=5)
        for _ in range(rounds(5)):
            print(drawn.run_one())
        drawn.end()
        assert not drawn.findings.wrong, drawn.findings
        assert drawn.findings.revoked == 2 * rounds(5) and drawn.findings.answers > 0
    finally:
        fleet.end()
