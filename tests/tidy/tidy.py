#!/usr/bin/env python3
"""The style that a machine can check: python3 tests/tidy/tidy.py [FOLDER] prints what breaks it."""

import fnmatch
import itertools
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

FUNCTION_LINES_MAX = 70
FUNCTION_LINES_MEDIAN_MAX = 13
FILE_LINES_MAX = 800
FUZZ_LINES_MAX = 40
COLUMNS_MAX = 100
CLANG_FORMAT_MAJOR = "14"  # versions differ in details: this one, Debian 12's, decides

# Where a setting of src/config/config.def may be documented.
DOC_FILES = ["README.md", "docs/*.md", "deploy/*.md", "src/ARCHITECTURE.md"]

# Lowest first: a layer includes itself and those before it.
LAYERS = "base config token http io registry cache mint server daemon client".split()
LAYERS_UNSEEN = {
    "http": {"token"},
    "client": {"config", "io", "registry", "cache", "mint", "server", "daemon"},
}

# A library's headers, and the only files of src/ that know them.
LIBRARIES = {
    r"uv\.h": "src/io/*",
    r"hiredis/.*": "src/io/redis*",
    r"llhttp\.h": "src/http/*.c",
    r"sodium.*\.h": "src/token/*",
    r"yyjson\.h": "src/token/*.c",
    r"msgpack.*": "src/cache/record.c",
    r"sqlite3\.h": "src/registry/registry_sqlite*.c",
    r"libpq.*": "src/registry/registry_postgres*.c",
    r"curl/.*": "src/client/*.c",
    r"openssl/.*": "src/io/redis_tls.c",
}

BANNED_CALLS = {
    "strcpy": "buffer_put, or memcpy with a known length",
    "strcat": "buffer_put",
    "strncat": "buffer_put",
    "strncpy": "memcpy with a known length",
    "sprintf": "buffer_format or snprintf",
    "vsprintf": "vsnprintf",
    "strtok": "a loop over a struct text",
    "gets": "fgets",
    "atoi": "the text_ functions, which refuse what is no number",
    "atol": "the text_ functions, which refuse what is no number",
    "alloca": "an arena",
    "rand": "getrandom",
    "srand": "getrandom",
    "system": "posix_spawn",
    "asctime": "clock_date",
    "ctime": "clock_date",
    "gmtime": "gmtime_r",
    "localtime": "localtime_r",
}

SKIPPED_FOLDERS = {".git", "__pycache__", "node_modules", ".cache"}
C_FILES = ("*.c", "*.h")
TEXT_FILES = ("*.c", "*.h", "*.def", "*.py", "*.md", "*.cmake", "*.txt", "*.sh", "*.yml", "*.json",
              "*.service", "*.socket", "*.sql", "*.pml", "run", "install", "quickstart")


class Finding(NamedTuple):
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


class Tree:
    """The files of a source folder by their path in it, without what builds leave."""

    def __init__(self, root):
        self.root = Path(root)
        self.paths = []
        self.cache = {}
        for folder, names, files in os.walk(self.root):
            at_root = Path(folder) == self.root
            names[:] = sorted(name for name in names if name not in SKIPPED_FOLDERS
                              and not (at_root and re.fullmatch(r"build(-.*)?", name)))
            prefix = os.path.relpath(folder, self.root)
            self.paths += [os.path.normpath(os.path.join(prefix, name)) for name in sorted(files)]

    def files(self, *patterns, under=""):
        """Paths below `under` whose names match a pattern."""
        return [path for path in self.paths if path.startswith(under)
                and any(fnmatch.fnmatch(os.path.basename(path), pattern) for pattern in patterns)]

    def text(self, path):
        if path not in self.cache:
            self.cache[path] = (self.root / path).read_text(encoding="utf-8", errors="replace")
        return self.cache[path]

    def lines(self, path):
        return enumerate(self.text(path).splitlines(), 1)


def blank(pattern, text):
    """The text with what matches overwritten by spaces; line breaks and columns stay."""
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def blank_macros(text):
    """C text without preprocessor lines."""
    return blank(r"(?m)^[ \t]*#(?:\\\n|[^\n])*", text)


def code_only(text):
    """C text without comments and literals."""
    return blank(r'(?s)/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', text)


def functions(text):
    """Yields (name, first line, number of lines) of each function defined in C text."""
    code = blank_macros(code_only(text))
    depth, head, opened = 0, 0, None
    for match in re.finditer(r"[{};]", code):
        at = match.start()
        if match[0] == "{":
            if depth == 0:
                signature = code[head:at]
                name = re.search(r"(\w+)\s*\(.*\)\s*$", signature, re.DOTALL)
                first = head + len(signature) - len(signature.lstrip())
                opened = (name[1], first) if name else None
            depth += 1
            continue
        if match[0] == "}":
            depth = max(0, depth - 1)
            if depth == 0 and opened:
                first = code.count("\n", 0, opened[1]) + 1
                yield opened[0], first, code.count("\n", 0, at) + 2 - first
                opened = None
        if depth == 0:
            head = match.end()


def rule_function_length(tree):
    """No function is longer than can be read at once, and half of those in src are short."""
    lengths = []
    for path in tree.files(*C_FILES):
        for name, first, count in functions(tree.text(path)):
            if path.startswith("src/"):
                lengths.append(count)
            if count > FUNCTION_LINES_MAX:
                yield path, first, f"{name} has {count} lines, more than {FUNCTION_LINES_MAX}"
    if lengths and statistics.median(lengths) > FUNCTION_LINES_MEDIAN_MAX:
        yield "src", 0, (f"half of the functions have more than {FUNCTION_LINES_MEDIAN_MAX} lines: "
                         f"the median is {statistics.median(lengths):g}")


def rule_file_length(tree):
    for path in tree.files("*.c", "*.h", "*.py"):
        count = tree.text(path).count("\n")
        is_target = os.path.dirname(path) == "tests/fuzz" and path != "tests/fuzz/replay.c"
        most = FUZZ_LINES_MAX if is_target else FILE_LINES_MAX
        if count > most:
            yield path, 1, f"{count} lines, more than {most}"


def rule_columns(tree):
    for path in tree.files("*.c", "*.h", "*.py", "*.cmake", "CMakeLists.txt"):
        for number, line in tree.lines(path):
            if len(line) > COLUMNS_MAX:
                yield path, number, f"{len(line)} columns, more than {COLUMNS_MAX}"


def rule_opening_sentence(tree):
    """A file says first what it is."""
    for path in tree.files("*.c", "*.h", "*.def"):
        if not re.match(r'/\* ["`\w]((?!\*/).)*[.:!?]', tree.text(path), re.DOTALL):
            yield path, 1, "does not open with a comment of one sentence that says what it is"


def includes(tree, path):
    for number, line in tree.lines(path):
        match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)', line)
        if match:
            yield number, match[1], match[2]


def rule_include_form(tree):
    for path in tree.files(*C_FILES, "*.def"):
        for number, quote, name in includes(tree, path):
            if ".." in name:
                yield path, number, f'"{name}" goes up: write "layer/file.h"'
            elif path.startswith("src/") and quote == '"' and f"src/{name}" not in tree.paths:
                yield path, number, f'there is no src/{name}: write "layer/file.h"'


def rule_include_direction(tree):
    for path in tree.files(*C_FILES, "*.def", under="src/"):
        layer = path.split("/")[1]
        if layer not in LAYERS:
            continue
        seen = set(LAYERS[: LAYERS.index(layer) + 1]) - LAYERS_UNSEEN.get(layer, set())
        for number, quote, name in includes(tree, path):
            other = name.split("/")[0]
            if quote == '"' and other in LAYERS and other not in seen:
                yield path, number, f"{layer} must not see {other}"


def rule_library_place(tree):
    for path in tree.files(*C_FILES, under="src/"):
        for number, _, name in includes(tree, path):
            for header, place in LIBRARIES.items():
                if re.fullmatch(header, name) and not fnmatch.fnmatch(path, place):
                    yield path, number, f"<{name}> is for {place or 'nobody'} only"


def rule_banned_calls(tree):
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED_CALLS) + r")\s*\(")
    for path in tree.files(*C_FILES, "*.def"):
        for number, line in enumerate(code_only(tree.text(path)).splitlines(), 1):
            for match in pattern.finditer(line):
                yield path, number, f"{match[1]} is banned: use {BANNED_CALLS[match[1]]}"


def rule_settings_documented(tree):
    """Every row of config.def stands in the docs by its flag."""
    path = "src/config/config.def"
    if path not in tree.paths:
        return
    docs = "".join(tree.text(doc) for doc in tree.paths
                   if any(fnmatch.fnmatch(doc, pattern) for pattern in DOC_FILES))
    for number, line in tree.lines(path):
        match = re.match(r'SETTING\w*\(\s*\w+\s*,\s*"?([\w-]+)', line)
        if match and not re.search(rf"--{re.escape(match[1])}(?![\w-])", docs):
            yield path, number, f"--{match[1]} is documented in none of {', '.join(DOC_FILES)}"


def rule_doc_links(tree):
    """What documents point to is there: [links](to/files), and `src/paths` in code."""
    folders = {path.split("/")[0] for path in tree.paths if "/" in path}
    pointer = re.compile(r"\]\(([^)#\s]+)[^)]*\)|(?<![\w/.-])((?:\./)?([\w.-]+)/[\w./*-]*[\w*])")
    for path in tree.files("*.md"):
        in_block = False
        for number, line in tree.lines(path):
            in_block ^= line.startswith("```")
            code = line if in_block else " ".join(re.findall(r"`([^`]+)`", line))
            prose = "" if in_block else re.sub(r"`[^`]+`", "", line)
            for match in list(pointer.finditer(code)) + list(pointer.finditer(prose)):
                link, name, folder = match.groups()
                if link and not re.match(r"\w+:", link):
                    name = os.path.normpath(os.path.join(os.path.dirname(path), link))
                elif match.string is prose or folder not in folders:
                    continue
                if name and not any(True for _ in tree.root.glob(name.removeprefix("./"))):
                    yield path, number, f"there is no {name}"


def rule_nothing_left_open(tree):
    words = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "X" "XX", "HA" "CK")) + r")\b")
    for path in tree.files(*TEXT_FILES):
        for number, line in tree.lines(path):
            if words.search(line):
                yield path, number, "something is left open: do it, or file it"


def private_hosts():
    """The hosts of this machine's proxies and private mirrors, which are nobody else's business."""
    known = re.compile(r"(^|\.)(debian\.org|ubuntu\.com|npmjs\.org|nodesource\.com|google\.com|"
                       r"github\.com|localhost|127\.0\.0\.1)$")
    settings = [value for name, value in os.environ.items()
                if re.search(r"(_proxy|_registry|_index_url)$", name, re.IGNORECASE)]
    for folder in ("/etc/apt/sources.list.d", "/etc/apt/apt.conf.d"):
        for file in sorted(Path(folder).glob("*")) if Path(folder).is_dir() else []:
            if os.access(file, os.R_OK) and file.is_file():
                settings.append(file.read_text(errors="replace"))
    hosts = {host.lower() for text in settings for host in
             re.findall(r"\w://(?:[^/@\s]*@)?([\w.-]+\.[\w-]+)", text)}
    return sorted(host for host in hosts if not known.search(host))


def rule_no_private_place(tree):
    """Nothing in the tree is true of one machine only."""
    private = [re.escape(host) for host in private_hosts()] + [r"(?<![\w.])/(?:work|root)/\w"]
    pattern = re.compile("|".join(private))
    for path in tree.files(*TEXT_FILES):
        for number, line in tree.lines(path):
            if pattern.search(line):
                yield path, number, "names a path or a host of somebody's machine"


def clang_format():
    """The clang-format that decides, or None."""
    for name in (f"clang-format-{CLANG_FORMAT_MAJOR}", "clang-format"):
        if shutil.which(name):
            version = subprocess.check_output([name, "--version"], text=True)
            if re.search(rf"version {CLANG_FORMAT_MAJOR}\.", version):
                return name
    return None


def rule_layout(tree):
    """As clang-format lays it out, but for macros, in which it takes `(x) * 4` for a cast."""
    program = clang_format()
    if not program or ".clang-format" not in tree.paths:
        return
    for path in tree.files(*C_FILES):
        output = subprocess.check_output([program, "--style=file", path], cwd=tree.root, text=True)
        lines = [blank_macros(text).split("\n") for text in (tree.text(path), output)]
        for number, (line, should) in enumerate(itertools.zip_longest(*lines, fillvalue=""), 1):
            if line.rstrip() != should.rstrip():
                yield path, number, f"clang-format would write: {should.strip()[:60]}"
                break


RULES = {name[len("rule_"):].replace("_", "-"): function
         for name, function in sorted(globals().items()) if name.startswith("rule_")}


def findings(root, rules=None):
    tree = Tree(root)
    return [Finding(*found[:2], name, found[2])
            for name in (rules or RULES) for found in RULES[name](tree)]


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    found = findings(root)
    print(*found, sep="\n", end="\n" if found else "")
    lengths = sorted(count for path in Tree(root).files(*C_FILES, under="src/")
                     for _, _, count in functions(Tree(root).text(path)))
    if lengths:
        print(f"{len(lengths)} functions in src, half of them have at most "
              f"{statistics.median(lengths):g} lines, the longest {lengths[-1]}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
