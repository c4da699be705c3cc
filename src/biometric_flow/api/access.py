"""Accounts, roles and grants, as the gateway says and takes them."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from biometric_flow.api.moments import Instant
from biometric_flow.api.place import Slug

RoleName = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]{2,39}$")]


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [fields]})


class ScopeBody(BaseModel):
    """The whole tenant, one place, or a department with all below it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["tenant", "place", "department"] = "tenant"
    id: Slug | None = Field(None, description="Which place or department; none for the tenant.")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if (self.kind == "tenant") != (self.id is None):
            raise ValueError("an id for a place or a department, and none for the tenant")
        return self


class GrantBody(BaseModel):
    """A role, where, and from when until when."""

    model_config = _example(role="place_manager", scope={"kind": "place", "id": "cairo"})

    role: RoleName
    scope: ScopeBody = Field(default_factory=lambda: ScopeBody(kind="tenant", id=None))
    valid_from: Instant | None = Field(None, description="From now on when left out.")
    valid_to: Instant | None = Field(None, description="The first moment when it is over.")


class GrantView(BaseModel):
    """One grant of an account."""

    id: UUID
    role: str
    scope: ScopeBody
    valid_from: datetime
    valid_to: datetime | None
    granted_by: str
    granted_at: datetime


class InviteBody(BaseModel):
    """A new account: a person, who is sent an invitation, or a service, which is given API keys."""

    model_config = _example(email="amina@example.com", name="Amina Hassan")

    email: Annotated[str, StringConstraints(min_length=3, max_length=254, pattern="^[^@\\s\\x00]+@[^@\\s\\x00]+$")]
    name: Annotated[str, StringConstraints(min_length=1, max_length=80, pattern="^[^\\x00]*$")]
    kind: Literal["person", "service"] = "person"


class Invited(BaseModel):
    """An account, and the word that lets its person set a password, once. It is shown here and nowhere again."""

    account: UUID
    invitation: str | None = Field(description="None for a service.")
    expires_at: datetime | None


class AcceptBody(BaseModel):
    """An invitation, and the password that its person chose."""

    model_config = _example(invitation="bfi_demo." + "x" * 43, password="a long sentence of yours")  # noqa: S106 - an example

    invitation: SecretStr = Field(min_length=20, max_length=200)
    password: SecretStr = Field(min_length=1, max_length=256)


class PasswordBody(BaseModel):
    """The password that was, and the one that is to be."""

    model_config = _example(old="a long sentence", new="another long sentence")

    old: SecretStr = Field(min_length=1, max_length=256)
    new: SecretStr = Field(min_length=1, max_length=256)


class KeyBody(BaseModel):
    """What an API key is for, what it may be used for, and until when."""

    model_config = _example(name="payroll export", permissions=["workday:read"], days=90)

    name: Annotated[str, StringConstraints(min_length=1, max_length=80, pattern="^[^\\x00]*$")]
    permissions: list[Annotated[str, StringConstraints(pattern="^[a-z]+:[a-z]+$")]] = Field(min_length=1, max_length=50)
    days: int = Field(90, ge=1, le=365)


class KeyView(BaseModel):
    """One API key, without its secret."""

    id: UUID
    name: str
    permissions: list[str]
    created_at: datetime
    expires_at: datetime
    last_used: datetime | None = Field(description="To the minute.")


class KeyMade(KeyView):
    """A new API key. The secret is shown here and nowhere again."""

    secret: str


class AccountView(BaseModel):
    """One account with what it was granted."""

    id: UUID
    email: str
    name: str
    kind: str
    is_enabled: bool
    created_at: datetime
    grants: list[GrantView]


class AccountState(BaseModel):
    """Is the account let in?"""

    model_config = _example(is_enabled=False)

    is_enabled: bool


class RoleBody(BaseModel):
    """A role of the tenant's own."""

    model_config = _example(about="Reads terminals and the overview", permissions=["terminal:read", "overview:read"])

    about: str = Field("", max_length=200)
    permissions: list[Annotated[str, StringConstraints(pattern="^[a-z]+:[a-z]+$")]] = Field(
        default_factory=list, max_length=100
    )
    inherits: list[RoleName] = Field(default_factory=list, max_length=10)


class RoleView(BaseModel):
    """A role, and everything that it gives."""

    name: str
    about: str
    is_built_in: bool
    permissions: list[str] = Field(description="Its own.")
    inherits: list[str]
    gives: list[str] = Field(description="Its own and all that it inherits.")


class GrantReason(BaseModel):
    """What one grant has to do with a question."""

    grant: UUID
    counts: bool
    text: str


class Why(BaseModel):
    """May an account do something, and what decides it."""

    allowed: bool
    permission: str
    scope: ScopeBody
    reasons: list[GrantReason]


class FactorView(BaseModel):
    """One's own second factor."""

    is_on: bool = Field(description="Signing in takes a code.")
    is_asked: bool = Field(description="The tenant asks this account for one.")
    recovery_codes: int = Field(description="How many are left.")


class FactorBody(BaseModel):
    """The password again, before something is changed that protects it."""

    model_config = _example(password="a long sentence")  # noqa: S106 - an example

    password: SecretStr = Field(min_length=1, max_length=256)


class FactorMade(BaseModel):
    """What goes into the authenticator app. It is shown here and nowhere again."""

    secret: str
    uri: str = Field(description="The same as an otpauth address.")
    picture: str = Field(description="The address as a QR code, one SVG element.")


class CodeBody(BaseModel):
    """A code of the authenticator app, or a recovery code."""

    model_config = _example(code="123456")

    code: SecretStr = Field(min_length=6, max_length=40)


class RecoveryCodes(BaseModel):
    """Each lets its person in once without the telephone. They are shown here and nowhere again."""

    codes: list[str]


class SignInRule(BaseModel):
    """Who has to have a second factor; accounts without one can set it up, and nothing else."""

    model_config = _example(is_factor_for_all=False, factor_roles=["tenant_admin", "payroll"])

    is_factor_for_all: bool
    factor_roles: list[RoleName] = Field(default_factory=list, max_length=100)
