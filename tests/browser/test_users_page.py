"""Users and roles, and the invitation that makes a user, in Chromium against the real dashboard and gateway."""

import re

import pytest
from browser_stack import Stack, sign_in, until
from playwright.async_api import Page, expect
from test_accessibility import judged

pytestmark = pytest.mark.asyncio(loop_scope="session")

SAMIRA, SENTENCE = "samira@example.com", "seven tall ships in a small harbour"


async def test_somebody_is_invited_sets_a_password_is_given_a_role_and_kept_out(
    page: Page, stranger: Page, stack: Stack
) -> None:
    await page.goto(f"{stack.url}/users")
    await page.get_by_role("button", name="Invite a person").click()
    form = page.get_by_role("dialog", name="Invite a person")
    await form.get_by_label("E-mail").fill(SAMIRA)
    await form.get_by_label("Name").fill("Samira Adel")
    await form.get_by_role("button", name="Invite", exact=True).click()
    link = page.get_by_role("textbox", name="Invitation for Samira Adel")
    await expect(link).to_have_value(re.compile(rf"^{re.escape(stack.url)}/invitation#bfi_"))

    await stranger.goto(await link.input_value())
    await expect(stranger).to_have_url(f"{stack.url}/invitation")
    assert await judged(stranger, "ltr") == []
    word = await stranger.locator("#invitation").input_value()
    await stranger.locator(".bf-languages button").click()
    await expect(stranger.locator("html")).to_have_attribute("lang", "ar")
    await expect(stranger.locator("#invitation")).to_have_value(word)
    await stranger.locator(".bf-languages button").click()
    await expect(stranger.locator("html")).to_have_attribute("lang", "en")
    await stranger.get_by_label("Your password").fill(SENTENCE)
    await stranger.get_by_label("The same again").fill(SENTENCE[:-1])
    await stranger.get_by_role("button", name="Set your password").click()
    await expect(stranger.get_by_role("alert")).to_contain_text("not the same")
    await stranger.get_by_label("Your password").fill(SENTENCE)
    await stranger.get_by_label("The same again").fill(SENTENCE)
    await stranger.get_by_role("button", name="Set your password").click()
    await stranger.wait_for_url(f"{stack.url}/sign-in")

    await page.get_by_role("button", name="I have kept it").click()
    await expect(link).to_have_count(0)
    row = page.locator(".bf-r-sections tbody tr", has_text=SAMIRA)
    await expect(row).to_contain_text("No roles yet")
    await row.get_by_role("link", name="Samira Adel").click()
    await page.get_by_role("button", name="Give a role").click()
    form = page.get_by_role("dialog", name="Give Samira Adel a role")
    await form.get_by_label("Role").select_option("observer")
    await form.get_by_label("Where").select_option("place:cairo")
    await form.get_by_role("button", name="Give a role").click()
    await expect(page.locator(".bf-told")).to_contain_text("The role is given.")
    await expect(page.get_by_role("row", name="Observer")).to_contain_text("Cairo")

    await sign_in(stranger, stack.url, SAMIRA, SENTENCE)
    await stranger.wait_for_selector("[data-tile=present]")
    assert (await stranger.goto(f"{stack.url}/users")).status == 403  # type: ignore[union-attr]
    await stranger.goto(stack.url)
    await stranger.wait_for_selector("[data-tile=present]")
    await page.get_by_role("button", name="Keep out").click()
    await page.get_by_role("dialog").get_by_role("button", name="Keep out").click()
    await expect(page.locator(".bf-badge")).to_contain_text("Kept out")
    await until(lambda: _is_out(stranger, stack), what="being signed out")


async def _is_out(page: Page, stack: Stack) -> bool:
    await page.goto(f"{stack.url}/live")
    await page.locator(".bf-r-feed, #email").first.wait_for()
    return await page.locator("#email").count() == 1


async def test_a_service_gets_a_key_that_is_shown_once_and_nobody_changes_their_own_roles(
    page: Page, stack: Stack
) -> None:
    await page.goto(f"{stack.url}/users?q=amina")
    await page.get_by_role("link", name="Administrator").click()
    await expect(page.get_by_role("note")).to_contain_text("This is your own account")
    assert await page.get_by_role("button", name="Keep out").count() == 0
    assert await page.get_by_role("button", name="Give a role").count() == 0

    await page.get_by_role("button", name="New API key").click()
    form = page.get_by_role("dialog", name="New API key")
    await form.get_by_label("What it is for").fill("Payroll export")
    await form.get_by_label("workday:read").check()
    await form.get_by_label("period:read").check()
    await form.get_by_role("button", name="New API key").click()
    key = page.get_by_role("textbox", name="Key Payroll export")
    await expect(key).to_have_value(re.compile("^bfk_"))
    answer = await page.request.get(
        f"{stack.gateway.url}/v1/periods", headers={"Authorization": f"Bearer {await key.input_value()}"}
    )
    assert answer.status == 200, await answer.text()
    await page.reload()
    await expect(page.get_by_role("row", name="Payroll export")).to_contain_text("period:read, workday:read")
    await page.get_by_role("button", name="Take away Payroll export").click()
    await page.get_by_role("dialog").get_by_role("button", name="Take away").click()
    await expect(page.get_by_text("No API keys.")).to_be_visible()


async def test_a_role_says_where_each_right_comes_from(page: Page, stack: Stack) -> None:
    await page.goto(f"{stack.url}/users?tab=roles")
    await page.get_by_role("button", name="New role").click()
    form = page.get_by_role("dialog", name="New role")
    await form.get_by_label("Name, in small letters").fill("gate_keeper")
    await form.get_by_label("Begins with all of").select_option("observer")
    await form.get_by_label("door:open").check()
    await form.get_by_role("button", name="New role").click()
    await expect(page.locator(".bf-told")).to_contain_text("The role is made.")
    await page.get_by_role("link", name="Gate keeper").click()
    await expect(page.get_by_role("row", name="door:open")).to_contain_text("its own")
    await expect(page.get_by_role("row", name="overview:read")).to_contain_text("from Observer")
    await page.get_by_role("button", name="Remove role").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove role").click()
    await expect(page.get_by_text("There is no such role")).to_be_visible()
