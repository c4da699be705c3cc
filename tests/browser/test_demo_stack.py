"""The whole demo in a browser: what a person sees in the first minutes."""

from pathlib import Path

import pytest
from browser_stack import sign_in
from playwright.async_api import Page, expect

from biometric_flow.supervisor.demo import EMAIL, PASSWORD
from tests.services.demos import free_ports, running_demo

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_person_sees_the_year_a_new_punch_and_a_terminal_that_stopped(stranger: Page, passable: Path) -> None:
    async with running_demo(passable, free_ports()) as demo:
        await demo.said("punches of the year have arrived")
        await sign_in(stranger, demo.dashboard_url, EMAIL, PASSWORD)
        await stranger.wait_for_selector("[data-tile=present]")
        await expect(stranger.locator("[data-tile=people] .bf-tile-value")).to_have_text("50")
        await expect(stranger.locator("[data-tile=terminals] .bf-tile-value")).to_have_text("6/6")

        await stranger.goto(f"{demo.dashboard_url}/live")
        await stranger.wait_for_selector(".bf-feed-list li")
        made = await demo.control("cairo-gate", do="punch", pin="1", state=0)
        row = stranger.locator(".bf-feed-list li", has_text=made["time"][-8:])
        await row.wait_for()
        assert "أمينة حسن" in await row.inner_text()
        assert "Main gate" in await row.inner_text()

        await stranger.goto(f"{demo.dashboard_url}/devices")
        await stranger.get_by_text("North gate").first.wait_for()
        await stranger.get_by_role("link", name="North gate").click()
        await stranger.get_by_role("button", name="Set the clock").click()
        await expect(stranger.locator(".bf-told")).to_contain_text("Ordered")
        ordered = stranger.locator(".bf-r-terminal tbody tr", has_text="Set the clock").first
        await expect(ordered).to_contain_text("Confirmed by the terminal", timeout=60_000)

        await stranger.goto(f"{demo.dashboard_url}/devices")
        await stranger.get_by_text("North gate").first.wait_for()
        await demo.control("dhaka-gate", do="fault", kind="off")
        card = stranger.locator("article.bf-device", has_text="North gate")
        await expect(card.locator(".bf-badge")).to_contain_text("Offline", timeout=60_000)
        await stranger.set_viewport_size({"width": 390, "height": 844})
        assert await stranger.evaluate("document.documentElement.scrollWidth") <= 390
        await stranger.goto(demo.dashboard_url)
        await expect(stranger.locator("[data-tile=terminals] .bf-tile-value")).to_have_text("5/6")
        await stranger.get_by_text("North gate").first.wait_for()
