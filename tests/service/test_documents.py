"""The documents that are made from tables are what the programs print."""

import pathlib

import pytest

from daemon import run_mintd

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page, command", [
    ("SETTINGS.md", ["config", "--markdown"]), ("PERMISSIONS.md", ["roles"])])
def test_page_is_what_mintd_prints(page, command):
    assert (ROOT / "deploy" / page).read_text(encoding="utf-8") == run_mintd(*command).stdout
