"""The tree keeps its style, and the checker that says so reports each rule when it is broken."""

import shutil
from pathlib import Path

import pytest
import tidy

ROOT = Path(__file__).resolve().parents[2]
OPENING = "/* A thing that does nothing. */\n"


@pytest.mark.parametrize("rule", tidy.RULES)
def test_tree_keeps(rule):
    found = tidy.findings(ROOT, [rule])
    assert not found, "\n".join(map(str, found))


def function(lines):
    return "void base_thing_do(void) {\n" + "    ;\n" * (lines - 2) + "}\n"


def include(name):
    return OPENING + f"#include {name}\n"


# rule, path, what breaks it there
BROKEN = [
    ("function-length", "src/base/a.c", OPENING + function(tidy.FUNCTION_LINES_MAX + 1)),
    ("function-length", "tests/flow/test_a.c", OPENING + function(tidy.FUNCTION_LINES_MAX + 1)),
    ("function-length", "src/base/a.c", OPENING + function(tidy.FUNCTION_LINES_MEDIAN_MAX + 1) * 9),
    ("file-length", "src/base/a.c", OPENING + "\n" * tidy.FILE_LINES_MAX),
    ("file-length", "tests/fuzz/http_a.c", OPENING + "\n" * tidy.FUZZ_LINES_MAX),
    ("columns", "src/base/a.h", OPENING + f"/* {'x' * tidy.COLUMNS_MAX} */\n"),
    ("opening-sentence", "src/base/a.c", "#include <stdio.h>\n"),
    ("opening-sentence", "src/base/a.h", "/* base */\n"),
    ("include-form", "src/http/a.c", include('"../base/check.h"')),
    ("include-form", "src/base/a.c", include('"check.h"')),
    ("include-direction", "src/base/a.c", include('"http/request.h"')),
    ("include-direction", "src/http/a.c", include('"token/jwt.h"')),
    ("include-direction", "src/token/a.c", include('"http/request.h"')),
    ("include-direction", "src/client/a.c", include('"config/config.h"')),
    ("library-place", "src/mint/a.c", include("<uv.h>")),
    ("library-place", "src/server/a.c", include("<sodium.h>")),
    ("library-place", "src/server/a.h", include("<yyjson.h>")),
    ("library-place", "src/io/a.c", include("<llhttp.h>")),
    ("library-place", "src/registry/registry.c", include("<sqlite3.h>")),
    ("library-place", "src/registry/registry_sqlite.c", include("<libpq-fe.h>")),
    ("library-place", "src/server/a.c", include("<curl/curl.h>")),
    ("library-place", "src/cache/a.c", include("<hiredis/hiredis.h>")),
    ("library-place", "src/mint/a.c", include("<msgpack.h>")),
    ("library-place", "src/io/a.c", include("<openssl/ssl.h>")),
    ("settings-documented", "src/config/config.def", OPENING + "SETTING(FLAG, forgotten, 1)\n"),
    ("doc-links", "README.md", "see [the map](src/MAP.md)\n"),
    ("doc-links", "src/MAP.md", "see [above](../LICENSE)\n"),
    ("doc-links", "README.md", "open `src/base/queue.h` first\n"),
    ("doc-links", "README.md", "```\n./src/run --all\n```\n"),
    ("nothing-left-open", "src/base/a.c", OPENING + "/* TO" + "DO: all of it. */\n"),
    ("no-private-place", "deploy/quickstart", "cd /wo" + "rk/main\n"),
    ("layout", "src/base/a.c", OPENING + "int  a;\n"),
] + [("banned-calls", "src/base/a.c", OPENING + f"int base_a = {name}(1);\n")
     for name in tidy.BANNED_CALLS]


def plant(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def clean(tmp_path):
    """A small tree that breaks no rule."""
    shutil.copy(ROOT / ".clang-format", tmp_path)
    for path in ("src/base/check.h", "src/http/request.h", "src/token/jwt.h",
                 "src/config/config.h"):
        plant(tmp_path, path, OPENING + function(5))
    plant(tmp_path, "src/http/reply.c", include('"base/check.h"') + "#include <llhttp.h>\n")
    plant(tmp_path, "src/config/config.def", OPENING + "SETTING(TTL, ttl-default, 1)\n")
    plant(tmp_path, "README.md", "`--ttl-default` is how long.\n")
    plant(tmp_path, "build/broken.c", "TO" + "DO\n")
    return tmp_path


def test_clean_tree_breaks_nothing(clean):
    assert tidy.findings(clean) == []


@pytest.mark.parametrize("rule, path, text", BROKEN)
def test_broken_rule_is_reported(clean, rule, path, text):
    if rule == "layout" and not tidy.clang_format():
        pytest.skip(f"no clang-format {tidy.CLANG_FORMAT_MAJOR} here")
    plant(clean, path, text)
    found = tidy.findings(clean, [rule])
    assert [finding.rule for finding in found] == [rule]
    assert found[0].path in (path, "src")


def test_every_rule_is_broken_above():
    assert {rule for rule, _, _ in BROKEN} == set(tidy.RULES)


def test_private_host_is_reported(clean, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy.of-somebody.example:3128")
    plant(clean, "README.md", "`--ttl-default`, see proxy.of-somebody.example\n")
    assert [found.rule for found in tidy.findings(clean)] == ["no-private-place"]


def test_words_in_comments_and_strings_are_no_calls(clean):
    plant(clean, "src/base/a.c", OPENING + 'const char *base_a = "system(1)"; /* gets(1) */\n')
    assert tidy.findings(clean) == []


def test_documents_point_to_what_is_there(clean):
    plant(clean, "src/MAP.md", "[a](http/request.h) [b](#part) [c](https://x.example/src/y) src/z\n"
                               "`src/http`, `src/*/check.h`, `a/b`, `http://x.example/src/y`\n")
    assert tidy.findings(clean) == []


def test_members_and_longer_names_are_no_calls(clean):
    plant(clean, "src/base/a.c", OPENING + "int base_a = a->rand(1) + a.time(1) + my_rand(1);\n")
    assert tidy.findings(clean, ["banned-calls"]) == []


@pytest.mark.parametrize("text, expected", [
    ("int a(void) {\n    return 1;\n}\n", [("a", 1, 3)]),
    ("\n/* { */\nstatic int\nb(int x,\n  int y)\n{\n    if (x) {\n    }\n}\n", [("b", 3, 7)]),
    ("struct s {\n    int x;\n};\nint t[] = {1};\nenum { A };\n", []),
    ('char c(void) {\n    return "}"[0];\n}\nint d(void) {\n}\n', [("c", 1, 3), ("d", 4, 2)]),
    ("#define M(x) {\\\n  x\nint e(void) {\n}\n", [("e", 3, 2)]),
])
def test_functions_are_found(text, expected):
    assert list(tidy.functions(text)) == expected
