"""Every form of a command in each protocol, in the order in which a reader tries them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from biometric_flow.zk.push.attendance_forms import attendance
from biometric_flow.zk.push.form import Form
from biometric_flow.zk.push.security_forms import security
from biometric_flow.zk.push.template_forms import TEMPLATE_FORMS
from biometric_flow.zk.push.text import PushProtocol


def _with_templates(protocol: PushProtocol, forms: Iterator[Form]) -> tuple[Form, ...]:
    more = (Form(*form) for form in TEMPLATE_FORMS[protocol])
    return tuple(sorted([*forms, *more], key=lambda form: -len(form.opening)))


FORMS: Final[Mapping[PushProtocol, Sequence[Form]]] = {
    PushProtocol.ATTENDANCE: _with_templates(PushProtocol.ATTENDANCE, attendance()),
    PushProtocol.SECURITY: _with_templates(PushProtocol.SECURITY, security()),
}
"""Every form, the longest opening first, so that the first one that fits is the right one."""
