"""The Account page and the second step of signing in, in Chromium, against the real dashboard and gateway."""

import time

import httpx2
import pyotp
import pytest
from browser_stack import EMAIL, PASSWORD, Stack, sign_in
from playwright.async_api import Page, expect
from test_accessibility import judged

pytestmark = pytest.mark.asyncio(loop_scope="session")

NADIA, SENTENCE = "nadia@example.com", "lantern quay and seven geese"


async def asked_for_a_factor(stack: Stack) -> None:
    """An account that may read everything, in a role that has to have a second factor."""
    async with httpx2.AsyncClient(base_url=stack.gateway.url, trust_env=False) as http:
        grant = {"grant_type": "password", "email": EMAIL, "password": PASSWORD}
        token = (await http.post("/v1/auth/token", json=grant)).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        made = (await http.post("/v1/accounts", json={"email": NADIA, "name": "Nadia"})).json()
        accepted = {"invitation": made["invitation"], "password": SENTENCE}
        assert (await http.post("/v1/auth/invitation", json=accepted)).status_code == 204
        held = await http.post(f"/v1/accounts/{made['account']}/grants", json={"role": "auditor"})
        rule = await http.put("/v1/sign-in-rule", json={"is_factor_for_all": False, "factor_roles": ["auditor"]})
        assert (held.status_code, rule.status_code) == (201, 200), held.text


async def test_somebody_sets_a_second_step_up_and_signs_in_with_it(stranger: Page, stack: Stack) -> None:
    await asked_for_a_factor(stack)
    await sign_in(stranger, stack.url, NADIA, SENTENCE)
    # Whoever is asked for one lands where it is set up, whatever page was wanted.
    await stranger.wait_for_url(f"{stack.url}/account")
    await expect(stranger.get_by_text("Your organisation asks for a second step")).to_be_visible()
    await stranger.fill("#bf-begin", "not the password")
    await stranger.click(".bf-plain button")
    await expect(stranger.get_by_role("alert")).to_contain_text("That is not right")
    await stranger.fill("#bf-begin", SENTENCE)
    await stranger.click(".bf-plain button")
    await expect(stranger.locator(".bf-picture svg")).to_be_visible()
    assert await judged(stranger, "ltr") == []
    codes = pyotp.TOTP((await stranger.locator(".bf-secret").inner_text()).replace(" ", ""))
    step = int(time.time()) // 30
    await stranger.fill("#bf-confirm", codes.generate_otp(step))
    await stranger.click(".bf-plain button")
    recovery = await stranger.locator(".bf-codes li").all_inner_texts()
    assert len(recovery) == 10
    await stranger.get_by_text("I have kept them").click()
    await stranger.wait_for_selector("[data-tile=present]")

    await stranger.context.clear_cookies()
    await stranger.goto(f"{stack.url}/sign-in?next=/account")
    await sign_in(stranger, stack.url, NADIA, SENTENCE)
    await expect(stranger.locator("#code")).to_be_focused()
    assert await stranger.locator("#password").count() == 0
    assert await judged(stranger, "ltr") == []
    await stranger.fill("#code", "000000")
    await stranger.keyboard.press("Enter")
    await expect(stranger.get_by_role("alert")).to_contain_text("The code is not right")
    await stranger.fill("#code", codes.generate_otp(step + 1))
    await stranger.keyboard.press("Enter")
    await stranger.wait_for_url(f"{stack.url}/account")
    await expect(stranger.get_by_text("10 recovery codes are left.")).to_be_visible()
    # Their organisation asks for it: it cannot be turned off here.
    assert await stranger.locator("#bf-remove").count() == 0
    await stranger.set_viewport_size({"width": 390, "height": 844})
    assert await stranger.evaluate("document.documentElement.scrollWidth") <= 390
    assert await judged(stranger, "rtl") == []
