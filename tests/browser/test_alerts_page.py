"""The bell and the alerts, in Chromium against the real dashboard and gateway."""

import re

import pytest
from browser_stack import Stack
from playwright.async_api import Page, expect

from biometric_flow.model.terminal import TerminalState

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_bell_says_by_itself_that_something_is_wrong_until_somebody_takes_care(
    page: Page, stack: Stack
) -> None:
    bell = page.locator(".bf-bell")
    await expect(bell).to_have_attribute("aria-label", re.compile("No alert waits|wait"))
    await stack.places["cairo"].set_state("cairo-1", TerminalState.BLOCKED, "the comm key is wrong")
    try:
        await expect(bell).to_have_attribute("aria-label", "1 alert waits for somebody")
        await bell.click()
        await expect(page).to_have_url(f"{stack.url}/alerts")
        row = page.locator(".bf-r-sections tbody tr", has_text="Terminal blocked")
        await expect(row).to_contain_text("the comm key is wrong")
        await row.get_by_role("button", name="I take care of it").click()
        await page.get_by_role("dialog").get_by_role("button", name="I take care of it").click()
        await expect(row).to_contain_text("Taken care of")
        await expect(row).to_contain_text("by you")
        await expect(bell).to_have_attribute("aria-label", "No alert waits for anybody")
    finally:
        await stack.places["cairo"].set_state("cairo-1", TerminalState.ONLINE)


async def test_a_channel_is_added_by_its_address_which_is_never_shown_and_says_why_it_fails(
    page: Page, stack: Stack
) -> None:
    await page.goto(f"{stack.url}/alerts")
    await page.get_by_role("button", name="Add a channel").click()
    form = page.get_by_role("dialog", name="Add a channel")
    await form.get_by_label("Name, such as keeper").fill("keeper")
    await form.get_by_label("Address").fill("jsons://keeper:secret-word@127.0.0.1:9/alerts")
    await form.get_by_label("Quiet from").fill("22:00")
    await form.get_by_label("Quiet until").fill("06:00")
    await form.get_by_role("button", name="Add", exact=True).click()
    # An address of this machine: nothing is sent there, and that is said.
    await expect(page.locator(".bf-banner")).to_contain_text("ALERT_PRIVATE")
    await page.get_by_role("button", name="Add a channel").click()
    await expect(form.get_by_label("Name, such as keeper")).to_have_value("keeper")
    await expect(form.get_by_label("Address")).to_have_value("")
