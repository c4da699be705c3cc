"""What every column of a place's files holds. A column without a tag fails the build (security-design E7)."""

from typing import Final

from biometric_flow.runtime.classification import Tags, tags

SEALED: Final = "envelopes under keys of the place"
"""How a place protects what it keeps about people."""

COLUMNS: Final[Tags] = tags("""
    biometric_count: technical terminal outcome count
    biometric_destruction: technical number terminal job, pseudonym person
    biometric_destruction: biometric sealed asked_at detail confirmed_at
    biometric_release: technical number, pseudonym person
    biometric_release: biometric sealed given_at until recorded_at allows_keeping ended_at ended
    biometric_sample: pseudonym subject, biometric slot content, technical terminal received_at
    biometric_subject: pseudonym person subject
    blob: technical id title size sha256 is_whole registered_at
    blob_piece: technical blob position body
    checkpoint: technical size note signed_at is_cosigned
    consent_text: technical version language digest body, account saved_by, technical saved_at
    correction: technical sequence, pseudonym known subject
    cursor: technical terminal generation rows read_at received accepted quarantined duplicate mark_layout mark_rows
    cursor: attendance mark_tail
    enrolment: technical terminal is_wanted, pseudonym subject, identity sealed
    erasure_wanted: pseudonym person, identity sealed, technical asked_at
    erased: pseudonym digest, technical until erasure
    erasing: pseudonym subject
    halt: technical reason since
    incident: technical terminal code text at
    job: technical number terminal kind blob state created_at expires_at changed_at channel, identity body detail
    key: technical id kind version state wrapped_by slot reserved, pseudonym owner
    ledger_entry: technical sequence, evidence leaf hash record
    legal_hold: technical id origin, identity sealed
    ledger_log: technical number begins carried
    ledger_node: technical log level position hash
    outbox: technical sequence
    person: technical terminal uid privilege, pseudonym subject, identity sealed
    punch: technical sequence terminal verify work_code drift_ms received_at channel, pseudonym known subject
    punch: attendance local_time instant state
    push_command: technical id terminal state attempts code created_at sent_at changed_at protocol job step expires_at
    push_command: technical detail, identity body told
    push_stamp: technical terminal name stamp
    quarantine: pseudonym known subject, technical terminal reason first_seen decision, attendance sealed
    retention_policy: technical number, account body
    rollout: technical number kind state created_at changed_at, identity body detail
    rollout_step: technical rollout position terminal job state, identity detail
    subject: pseudonym id, identity pin
    terminal: technical key name host port encoding is_enabled serial origin clock clock_above_seconds firmware
    terminal: technical protocol push_networks push_version platform mac attlog_layout unlock_unit
    terminal: secret comm_key comm_key_next push_secret
    terminal_event: pseudonym known subject, technical terminal kind code first_seen, attendance local_time
    terminal_event: identity detail
    upload: technical number terminal table_name query size is_whole received_at last_at times accepted duplicate
    upload: technical quarantined people events entries, pseudonym digest, attendance body
    witness_key: technical vkey source pinned_at
    work_code: technical terminal code name seen_at
    wrapping: technical slot, secret content
""")
