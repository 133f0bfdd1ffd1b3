"""Check that every relative link and image in the given Markdown files or folders leads to a file.

Usage: check_links.py PATH ...; exits 1 and lists the broken links when there are any.
"""

import re
import sys
from pathlib import Path

LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")


def broken_links(page: Path) -> list[str]:
    """Relative link targets of `page` that do not exist."""
    targets = (match.group(1) for match in LINK.finditer(page.read_text(encoding="utf-8")))
    return [target for target in targets if "://" not in target and not (page.parent / target).exists()]


def main(arguments: list[str]) -> int:
    """Exit status: 0 when every link leads somewhere."""
    paths = [Path(argument) for argument in arguments]
    pages = [page for path in paths for page in (sorted(path.rglob("*.md")) if path.is_dir() else [path])]
    problems = [f"{page}: {target}" for page in pages for target in broken_links(page)]
    print(
        "\n".join(f"broken link: {problem}" for problem in problems)
        or f"{len(pages)} pages, all links lead somewhere"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
