"""Punches, workdays and the trail, in Chromium against the real dashboard and the real gateway."""

import csv
import io
import re
from datetime import UTC, datetime

import pytest
from browser_stack import Stack
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_punches_of_a_scope_are_listed_filed_and_proved(page: Page, stack: Stack) -> None:
    await page.get_by_role("navigation").get_by_role("link", name="Punches").click()
    await expect(page.locator(".bf-r-listing tbody tr").first).to_be_visible()
    await page.get_by_label("Location").focus()
    await page.get_by_label("Location").select_option("dhaka")

    await expect(page).to_have_url(re.compile(r"/punches\?loc=dhaka$"))
    await expect(page.locator(".bf-r-listing tbody tr", has_text="Cairo")).to_have_count(0)
    await expect(page.get_by_label("Location")).to_be_focused()
    async with page.expect_download() as started:
        await page.get_by_role("link", name="CSV").click()
    file = await started.value
    with open(await file.path(), encoding="utf-8-sig") as text:
        rows = list(csv.DictReader(io.StringIO(text.read())))
    shown = await page.locator(".bf-r-listing [role=status]").inner_text()
    assert {row["place"] for row in rows} == {"dhaka"}
    assert shown == f"{len(rows):,} punches"

    missing = await page.request.get(f"{stack.url}/download/receipts/{rows[0]['id']}")
    assert missing.status == 409, "this place has shown no checkpoint yet: that is said, and nothing is made up"
    assert "not to be had now" in await missing.text()
    await page.get_by_role("navigation").get_by_role("link", name="Workdays").click()
    await expect(page).to_have_url(re.compile(r"/workdays\?loc=dhaka$"))


async def test_what_was_done_is_in_the_trail_and_no_page_scrolls_sideways_on_a_phone(page: Page, stack: Stack) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.get_by_role("button", name="More").click()
    await page.get_by_role("navigation").get_by_role("link", name="Audit").click()
    await expect(page.locator(".bf-r-listing tbody tr", has_text="POST /v1/auth/token").first).to_contain_text("You")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for path in ("/audit", f"/punches?from={today}&to={today}", "/workdays"):
        await page.goto(stack.url + path)
        await expect(page.locator(".bf-r-listing")).to_be_visible()
        for selector in ("html", "[data-testid=stMain]"):
            scroll, client = await page.locator(selector).evaluate("each => [each.scrollWidth, each.clientWidth]")
            assert scroll <= client, f"{selector} of {path} is {scroll} wide in {client}"


async def test_a_file_needs_a_login_and_a_known_name(page: Page, stranger: Page, stack: Stack) -> None:
    refused = await stranger.request.get(f"{stack.url}/download/punches.csv", max_redirects=0)
    assert refused.status == 303

    for path in ("people.csv", "punches.exe", "receipts/..%2f..%2fme", "audit/entries"):
        assert (await page.request.get(f"{stack.url}/download/{path}")).status == 404, path


async def test_a_period_is_made_closed_approved_and_reopened_with_a_reason(page: Page, stack: Stack) -> None:
    await page.goto(f"{stack.url}/periods")
    await page.get_by_role("button", name="New period").click()
    form = page.get_by_role("dialog", name="New period")
    await form.get_by_label("Name").fill("old-days")
    await form.get_by_label("From").fill("2020-01-01")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="New period")).to_be_focused()
    await page.get_by_role("button", name="New period").click()
    await expect(form.get_by_label("Name")).to_have_value("old-days")
    await form.get_by_label("To").fill("2020-01-31")
    await form.get_by_role("button", name="Make it").click()
    await expect(page.locator(".bf-told")).to_contain_text("Period old-days is made.")

    await page.get_by_role("link", name="old-days").click()
    await page.get_by_role("button", name="Close period").click()
    await page.get_by_role("dialog").get_by_role("textbox").fill("Nobody worked then")
    await page.get_by_role("dialog").get_by_role("button", name="Close period").click()
    await page.get_by_role("button", name="Approve").click()
    await page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    await expect(page.locator(".bf-badge")).to_contain_text("Locked")
    unmapped = await page.request.get(f"{stack.url}/download/periods/old-days/csv")
    assert unmapped.status == 409
    assert "payroll mapping" in await unmapped.text()

    await page.get_by_role("button", name="Reopen").click()
    again = page.get_by_role("dialog")
    await again.get_by_role("button", name="Reopen").click()
    await expect(again).to_be_visible()
    await again.get_by_role("textbox").fill("One more look")
    await again.get_by_role("button", name="Reopen").click()
    await expect(page.locator(".bf-badge")).to_contain_text("Open")
    await expect(page.locator(".bf-lines")).to_contain_text("One more look")
