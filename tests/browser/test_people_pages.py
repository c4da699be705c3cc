"""People, their hours and the inbox, in Chromium against the real dashboard and the real gateway."""

from datetime import UTC, datetime, timedelta

import pytest
from browser_stack import EMAIL, PASSWORD, Stack, until
from playwright.async_api import Page, expect

from biometric_flow.api.clients import BlockingGatewayClient
from biometric_flow.api.hours import PersonRecord
from biometric_flow.api.hours_client import HoursDesk

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "<b>محمد</b> علي"


async def hired(stack: Stack) -> PersonRecord:
    """Somebody whose PIN already has weeks of punches; yesterday they forgot to check out."""
    with BlockingGatewayClient(stack.gateway.url) as client:
        client.sign_in(EMAIL, PASSWORD)
        desk = HoursDesk(client)
        long_ago = f"{datetime.now(UTC) - timedelta(days=200):%Y-%m-%d}"
        pins = [{"place": "cairo", "pin": "2", "from": long_ago}]
        body = {"number": "E-2", "name": NAME, "place": "cairo", "employed_from": long_ago, "pins": pins}
        person = client.ask(PersonRecord, "POST", "/v1/people", json=body)

        async def is_computed() -> bool:
            progress = desk.progress()
            return progress.workdays > 10 and progress.people_due == 0

        await until(is_computed, what="workdays")
    return person


async def test_a_person_leads_to_their_month_and_a_day_to_its_explanation(page: Page, stack: Stack) -> None:
    person = await hired(stack)
    last_month = datetime.now(UTC).date().replace(day=1)

    await page.get_by_role("navigation").get_by_role("link", name="People").click()
    await page.get_by_role("link", name=NAME).click()
    await expect(page.get_by_role("heading", level=1, name=NAME)).to_be_visible()
    await page.goto(f"{stack.url}/people?id={person.id}&month={last_month:%Y-%m}")
    day = page.locator("a.bf-day[data-tone=ok]").first
    await day.click()

    await expect(page.locator(".bf-because li").first).to_be_visible()
    await expect(page.locator("a.bf-day[aria-current=date]")).to_have_count(1)
    assert f"id={person.id}" in page.url
    assert "day=" in page.url
    assert await page.locator(".bf-region b").count() == 0, "a name stays text"

    await page.get_by_role("button", name="Ask for a missing punch").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Time").fill("18:05")
    await form.get_by_label("What").select_option("Check out")
    await form.get_by_label("Reason").fill("Forgot to check out")
    await form.get_by_role("button", name="Ask").click()
    await expect(page.locator(".bf-told")).to_contain_text("Somebody else decides it")

    await page.set_viewport_size({"width": 390, "height": 844})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    box = await page.locator(".bf-calendar").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390
    await page.set_viewport_size({"width": 1280, "height": 800})

    await page.get_by_role("navigation").get_by_role("link", name="Exceptions").click()
    await expect(page.locator(".bf-r-inbox [role=status]")).to_contain_text("to look at")

    await page.get_by_role("navigation").get_by_role("link", name="Requests").click()
    row = page.locator(".bf-r-requests tbody tr", has_text="Forgot to check out")
    await expect(row).to_contain_text("Yours")
    await expect(row.get_by_role("checkbox")).to_have_count(0)
