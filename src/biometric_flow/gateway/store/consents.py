"""Queries of what people signed at places: the gateway's copy, as the places tell it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from biometric_flow.api.biometrics import Consent, ConsentReport, ConsentText
from biometric_flow.gateway.store import directory, subjects
from biometric_flow.gateway.store.privacy_tables import consent, consent_text
from biometric_flow.gateway.store.words import CONSENT, opened, sealed
from biometric_flow.model.ids import PlaceId, TenantId


async def take(connection: AsyncConnection, tenant: TenantId, place: PlaceId, report: ConsentReport) -> None:
    """Keep what a place tells; what it no longer has goes here too."""
    if report.numbers is not None:
        await connection.execute(
            delete(consent).where(consent.c.place_id == place, consent.c.number.not_in(report.numbers))
        )
    known = await subjects.ensure(connection, [(place, one.pin) for one in report.releases])
    rows = [
        {
            "tenant_id": tenant,
            "place_id": place,
            "number": one.number,
            "subject": known[place, one.pin],
            "given_at": one.given_at,
            "body": one.model_copy(update={"place": place}).model_dump(mode="json", exclude={"pin"}),
        }
        for one in report.releases
    ]
    for row in await sealed(connection, CONSENT, rows):
        new = {name: row[name] for name in ("subject", "given_at", "body")}
        put = insert(consent).values(row)
        await connection.execute(
            put.on_conflict_do_update(index_elements=["tenant_id", "place_id", "number"], set_=new)
        )
    for text in report.texts:
        key = {"tenant_id": tenant, "place_id": place, "version": text.version, "language": text.language}
        kept = insert(consent_text).values(**key, body=text.model_dump(mode="json"))
        await connection.execute(kept.on_conflict_do_nothing())


async def page(
    connection: AsyncConnection, place: str | None, pin: str | None, limit: int, now: datetime
) -> list[Consent]:
    """Releases, newest first; whether they are in force is said of now."""
    query = select(consent).order_by(consent.c.given_at.desc(), consent.c.number.desc()).limit(limit)
    if place is not None:
        query = query.where(consent.c.place_id == place)
    if pin is not None:
        query = query.where(consent.c.subject.in_((await directory.look(connection)).with_pin(pin, place)))
    rows = await opened(connection, CONSENT, await subjects.told(connection, query))
    found = [Consent.model_validate({**row.body, "pin": row.pin}) for row in rows if not row.is_erased]
    return [
        one.model_copy(update={"is_in_force": one.ended_at is None and one.given_at <= now < one.until})
        for one in found
    ]


async def texts(connection: AsyncConnection, place: str | None) -> list[ConsentText]:
    """Wordings; one that several places have is told once."""
    query = select(consent_text.c.body).order_by(consent_text.c.version, consent_text.c.language)
    if place is not None:
        query = query.where(consent_text.c.place_id == place)
    found: Sequence[ConsentText] = [ConsentText.model_validate(row.body) for row in await connection.execute(query)]
    return list({(one.version, one.language, one.sha256): one for one in found}.values())
