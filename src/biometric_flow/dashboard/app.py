"""The script that Streamlit runs for every page view: who is this, which page, draw it."""

import streamlit as st

from biometric_flow.dashboard import widgets
from biometric_flow.dashboard.pages import (
    alerts,
    audit,
    devices,
    exceptions,
    live,
    overview,
    people,
    periods,
    punches,
    requests,
    users,
    workdays,
)
from biometric_flow.dashboard.words import _

widgets.speak()
login = widgets.current_login()
if login is None:
    widgets.draw("signed_out", {}, key="signed-out")
    st.stop()

st.navigation(
    [
        st.Page(overview.draw, title=_("Overview"), url_path="", default=True),
        st.Page(live.draw, title=_("Live"), url_path="live"),
        st.Page(devices.draw, title=_("Devices"), url_path="devices"),
        st.Page(alerts.draw, title=_("Alerts"), url_path="alerts"),
        st.Page(exceptions.draw, title=_("Exceptions"), url_path="exceptions"),
        st.Page(people.draw, title=_("People"), url_path="people"),
        st.Page(punches.draw, title=_("Punches"), url_path="punches"),
        st.Page(workdays.draw, title=_("Workdays"), url_path="workdays"),
        st.Page(requests.draw, title=_("Requests"), url_path="requests"),
        st.Page(periods.draw, title=_("Periods"), url_path="periods"),
        st.Page(users.draw, title=_("Users and roles"), url_path="users"),
        st.Page(audit.draw, title=_("Audit"), url_path="audit"),
    ],
    position="hidden",
).run()
