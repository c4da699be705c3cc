"""From a touch at a simulated terminal to its row on the Live page in Chromium: median and worst of 100, limit 2 s.

The whole demo runs: terminal, place, gateway and dashboard are processes of their own. The browser notes the moment at
which the row enters the page; both clocks are this machine's.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from playwright.async_api import Page, async_playwright

from benchmarks.harness import Result, note
from biometric_flow.supervisor.demo import EMAIL, PASSWORD
from tests.requires import CHROMIUM_FLAGS, chromium
from tests.services.demos import Demo, free_ports, running_demo

TOUCHES = 100
LIMIT_SECONDS = 2.0

WATCH = """() => {
  window.seen = new Map();
  const list = document.querySelector('.bf-feed-list');
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes)
      if (node.punch && !window.seen.has(node.punch.position))
        window.seen.set(node.punch.position, {at: Date.now(), text: node.punch.pin + '@' + node.punch.time});
  }).observe(list, {childList: true});
}"""
FIND = "(text) => { for (const row of window.seen.values()) if (row.text === text) return row.at; return null; }"


def main() -> list[Result]:
    return [asyncio.run(_measure())]


async def _measure() -> Result:
    with tempfile.TemporaryDirectory() as folder:
        async with running_demo(Path(folder), free_ports()) as demo, async_playwright() as playwright:
            await demo.said("punches of the year have arrived")
            browser = await playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
            page = await browser.new_page()
            await page.goto(f"{demo.dashboard_url}/sign-in?next=/live")
            await page.fill("#email", EMAIL)
            await page.fill("#password", PASSWORD)
            await page.click("button[type=submit]")
            await page.wait_for_selector(".bf-feed-list li")
            await page.evaluate(WATCH)
            delays = [await _one(demo, page, number) for number in range(TOUCHES)]
            await browser.close()
    return note(
        "live-latency",
        delays,
        of="touches",
        limit=LIMIT_SECONDS,
        settings={"worst": max(delays), "p95": statistics.quantiles(delays, n=20)[-1]},
    )


async def _one(demo: Demo, page: Page, number: int) -> float:
    terminal = ("cairo-gate", "dhaka-gate", "mexico-dock", "cairo-hall")[number % 4]
    pin = {"cairo": "1", "dhaka": "2", "mexico": "3"}[terminal.split("-")[0]]
    touched = time.time()
    answer = await demo.control(terminal, do="punch", pin=pin, state=number // 4 % 2)
    text = f"{pin}@{answer['time'][-8:]}"
    deadline = time.monotonic() + 20
    while (at := await page.evaluate(FIND, text)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the punch {text} did not appear within 20 s")
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    return float(at / 1000 - touched)
