"""A real Chromium, headless and offline; what a page does in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = os.environ.get("BAM_TEST_AXE", "")
needs_axe = pytest.mark.skipif(not AXE, reason="BAM_TEST_AXE does not name axe-core's axe.min.js")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's browser; skip where it is not installed."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Seen:
    """An open page, what it asked for, and what it complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def opened(browser: Browser, address: str, *, script: bool = True, **options: Any) -> Iterator[Seen]:
    """Open a file in a fresh context that lets nothing but that file be loaded."""
    context = browser.new_context(java_script_enabled=script, **options)
    seen = Seen(context.new_page())
    context.on("request", lambda request: seen.requests.append(request.url))
    context.route("**/*", lambda route: route.continue_() if route.request.url == address else route.abort())
    seen.page.on("console", lambda message: seen.complaints.append(f"{message.type}: {message.text}"))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.goto(address, wait_until="load")
    yield seen
    context.close()


def violations(page: Page) -> list[str]:
    """Return what axe-core finds that is serious or critical, with the first element of each."""
    page.evaluate(Path(AXE).read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]} {one['nodes'][0]['failureSummary'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def focused(page: Page) -> str:
    """Return the element that has the focus: its tag, and its text or its label."""
    text = "document.activeElement.ariaLabel || document.activeElement.innerText"
    return str(page.evaluate(f"document.activeElement.tagName.toLowerCase() + ' ' + ({text}).split('\\n')[0]"))
