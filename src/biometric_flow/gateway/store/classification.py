"""What every column of the gateway's database holds. A column without a tag fails the build (security-design E7)."""

from typing import Final

from biometric_flow.runtime.classification import Tags, tags

PROTECTED: Final = "row-level security by tenant, sealing under each person's key, encryption of the disk"
"""How the gateway protects what it keeps about people."""

COLUMNS: Final[Tags] = tags("""
    alert: technical tenant_id alert_id kind place_id subject text is_urgent raised_at seen_at told_at acknowledged_at
    alert: technical resolved_at, account acknowledged_by
    alert_channel: technical tenant_id name quiet is_enabled, secret url
    alert_message: technical tenant_id message_id channel title body created_at due_at attempts failure
    api_key: technical tenant_id key_id account_id name permissions created_at expires_at last_used
    api_key: account created_by, secret digest
    invitation: technical tenant_id account_id expires_at, secret digest
    access_grant: technical tenant_id grant_id account_id role scope scope_id valid_from valid_to granted_at
    access_grant: account granted_by
    access_role: technical tenant_id role about permissions inherits
    account: technical tenant_id account_id role is_enabled created_at kind, account email name, secret password_hash
    adjustment: technical tenant_id, pseudonym person_id, attendance day paid_in delta
    archive_file: technical tenant_id file_id place_id month first_position last_position rows size sha256 name version
    archive_file: technical created_at locked_until
    archive_key: technical tenant_id place_id, pseudonym subject, secret secret
    archived_punch: technical tenant_id place_id sequence file_id, pseudonym punch_id
    audit_entry: technical tenant_id sequence, evidence leaf hash record opening
    audit_log: technical tenant_id size head_hash note
    audit_node: technical tenant_id level position hash
    break_glass: technical tenant_id opening_id account_id lasts asked_at ends_at reviewed_at reason review
    break_glass: account opened_by reviewed_by
    checkpoint: technical tenant_id place_id size note received_at number leaf hash
    checkpoint_log: technical tenant_id size note
    checkpoint_refused: technical tenant_id place_id digest note reason received_at
    correction: technical tenant_id position regularisation_id is_withdrawal place_id number sequence refused
    correction: pseudonym person_id subject, attendance day operation target changes reason
    correction: account asked_by approved_by decided_at
    consent: technical tenant_id place_id number, pseudonym subject, biometric given_at body
    consent_text: technical tenant_id place_id version language body
    data_version: technical tenant_id topic slot changes
    department: technical tenant_id department_id name parent_id version
    employee: technical tenant_id version changed, pseudonym person_id, identity number name department_id place_id zone
    employee: identity employed_from employed_to plan
    enrolment: technical tenant_id place_id terminal uid privilege seen_at, pseudonym subject
    erasure: technical tenant_id erasure_id asked_at begun_at done_at entries, pseudonym person_id marks
    erasure: account decided_by reason
    erasure_order: technical tenant_id erasure_id place_id, pseudonym subject
    told_again: technical tenant_id place_id sequence
    key_ending: technical tenant_id kind, pseudonym owner
    ledger_entry: technical tenant_id place_id sequence, evidence leaf hash record opening
    ledger_node: technical tenant_id log level position hash
    leave_request: technical tenant_id leave_id, pseudonym person_id, attendance first_day last_day kind minutes status
    leave_request: attendance reason, account requested_by requested_at decided_by decided_at
    legal_hold: technical tenant_id hold_id, identity body
    pay_period: technical tenant_id period_id first_day last_day status locked_at version, account approvers approved_by
    pay_period_event: technical tenant_id period_id number at, account account action reason
    person: technical tenant_id place_id, pseudonym subject, attendance last_punch
    pin_holding: technical tenant_id place_id number, pseudonym person_id subject
    pin_holding: identity terminals valid_from valid_to
    outside_cosignature: technical tenant_id witness size note cosigned_at
    outside_witness: technical tenant_id witness url since reached_at failure is_contradiction
    place: technical tenant_id place_id name zone is_active position head_hash punches last_heard
    place_key: technical tenant_id place_id vkey source pinned_at
    place_key_change: technical tenant_id place_id sequence note
    place_log: technical tenant_id place_id number begins note vkey begun_at
    place_report: technical tenant_id place_id head version sent_at received_at backup
    plan_document: technical tenant_id kind document_id body version
    policy_pack: technical tenant_id pack_id version body saved_at, account saved_by
    punch: technical tenant_id place_id terminal verify work_code drift_ms received_at channel position sequence
    punch: pseudonym punch_id subject, attendance local_time instant state
    refresh_token: technical tenant_id account_id family expires_at used_at revoked_at, secret digest
    link_key: technical tenant_id place_id key_id public_key made_at ends_at revoked_at
    join_token: technical tenant_id place_id expires_at, secret digest
    second_factor: technical tenant_id account_id made_at confirmed_at last_step, secret sealed
    recovery_code: technical tenant_id account_id, secret digest
    sign_in_rule: technical tenant_id is_factor_for_all factor_roles
    regularisation: technical tenant_id regularisation_id number, pseudonym person_id, attendance day operation target
    regularisation: attendance instant state minutes reason status, account requested_by requested_at decided_by
    regularisation: account decided_at decision_reason
    retention_policy: technical tenant_id number, account body
    subject: technical tenant_id place_id changed, pseudonym subject, identity pin name
    sealing: technical tenant_id probe is_rewritten has_words has_punch_ids
    tenant: technical tenant_id name feed_position directory_version directory_base
    terminal_place: technical tenant_id terminal place_id
    terminal_status: technical tenant_id place_id key serial name state body as_of
    workday: technical tenant_id digest, pseudonym person_id, attendance day status irregularities pay body
    workday_due: technical tenant_id since marked is_order, pseudonym person_id, attendance first_day last_day
    workday_feed: technical tenant_id position
    workday_recheck: technical tenant_id at, pseudonym person_id
""")
