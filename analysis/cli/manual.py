"""The manual: a README in each package, whose contents name the topics of `bam help`."""

import posixpath
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

ROOMS: Final = ("lightning_bam", "studies", "analysis")
"""The packages with a README, in the order in which their topics are listed."""
ENTRY: Final = re.compile(r"^- `([\w-]+)`: \[(.+?)\]\((.+?)\): (.+)$", re.MULTILINE)
"""A line of a page's contents: topic, title, where it stands, what it says."""
LINK: Final = re.compile(r"\[([^\]]+)\]\((?!http)([^)\s]+)\)")


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A section of the manual, or a whole page: what it says in a line, where it stands, and its Markdown."""

    purpose: str
    place: str
    text: str


def page(room: str, name: str = "README.md") -> str:
    """Return a page of the manual as Markdown."""
    return files(room).joinpath(name).read_text(encoding="utf-8")


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def sections(text: str) -> dict[str, str]:
    """Return the parts of a page under its headings of the second level, by their anchors."""
    parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    return {slug(part.partition("\n")[0].removeprefix("## ")): part for part in parts}


@cache
def topics() -> dict[str, Topic]:
    """Return every topic by its name, in the order of the contents."""
    found = {}
    for room in ROOMS:
        text = page(room)
        parts = sections(text)
        for name, _, target, purpose in ENTRY.findall(text):
            if target.startswith("#"):
                found[name] = Topic(purpose=purpose, place=f"{room}/README.md{target}", text=parts[target[1:]])
            else:
                found[name] = Topic(purpose=purpose, place=f"{room}/{target}", text=page(room, target))
    return found


def for_terminal(topic: Topic) -> str:
    """Return a topic's Markdown with `bam help` in place of links to other topics."""
    names = {other.place: name for name, other in topics().items()}
    room = posixpath.dirname(topic.place)

    def written(link: re.Match[str]) -> str:
        base = topic.place.partition("#")[0] if link[2].startswith("#") else f"{room}/"
        name = names.get(posixpath.normpath(base + link[2]))
        return f"{link[1]} (`bam help {name}`)" if name else link[1]

    return LINK.sub(written, topic.text)
