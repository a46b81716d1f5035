"""The documents that are made from tables are what the programs print."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_settings_page_is_what_mintd_prints():
    printed = subprocess.run([os.environ["MINTD"], "config", "--markdown"], check=True,
                             capture_output=True, text=True).stdout
    assert (ROOT / "deploy" / "SETTINGS.md").read_text() == printed
