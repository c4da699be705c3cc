"""The query behind the overview: people's first punches by place, day and quarter hour, for four weeks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import DateTime, Text

_CELLS = text(
    """
    WITH here AS (SELECT * FROM unnest(:places, :nows) AS given (place_id, local_now)),
    person_day AS (
        SELECT here.place_id, here.local_now, punch.subject, punch.local_time::date AS day,
            count(*) AS punches, min(punch.local_time)::time AS first_punch
        FROM here JOIN punch ON punch.place_id = here.place_id
            AND punch.local_time >= here.local_now::date - 28
            AND punch.local_time < here.local_now::date + 1
        GROUP BY here.place_id, here.local_now, punch.subject, day
    )
    SELECT place_id, local_now::date - day AS days_ago,
        (extract(hour FROM first_punch) * 4 + floor(extract(minute FROM first_punch) / 15))::integer AS quarter,
        count(*) AS people,
        count(*) FILTER (WHERE punches % 2 = 1) AS odd,
        count(*) FILTER (WHERE first_punch <= local_now::time) AS by_now,
        sum(punches)::bigint AS punches
    FROM person_day GROUP BY place_id, days_ago, quarter
    """
).bindparams(bindparam("places", type_=ARRAY(Text)), bindparam("nows", type_=ARRAY(DateTime(timezone=False))))

_FIRST = text(
    """
    SELECT place_id, (SELECT min(local_time)::date FROM punch WHERE punch.place_id = given.place_id) AS first_day
    FROM unnest(:places) AS given (place_id)
    """
).bindparams(bindparam("places", type_=ARRAY(Text)))


async def cells(connection: AsyncConnection, local_nows: Mapping[str, datetime]) -> Sequence[Row[Any]]:
    """Per place, days before its own today (0-28) and quarter hour of a person's first punch that day.

    `people` counts persons, `odd` those with an odd number of punches, `by_now` those who came no later in the day
    than it is there now, `punches` all their punches of that day.
    """
    given = {"places": list(local_nows), "nows": list(local_nows.values())}
    return (await connection.execute(_CELLS, given)).all()


async def first_days(connection: AsyncConnection, places: Sequence[str]) -> dict[str, Any]:
    """The day of each place's oldest punch; None without one."""
    rows = await connection.execute(_FIRST, {"places": list(places)})
    return {row.place_id: row.first_day for row in rows}
