"""Every mutant, room by room. To add one: words of a line, what would stand there without it, who must see it.

A line that moves to another file needs no change here; one that is worded anew does, and a test that takes another
name: `tests/unit/test_sabotages.py` says which.
"""

from tests.mutants.mutant import Mutant

MESSAGING = [
    Mutant(
        "doorbell-unconfirmed",
        "confirm_delivery=True, middleware",
        "confirm_delivery=False, middleware",
        ("test_a_doorbell_that_the_broker_does_not_take_is_told",),
    ),
    Mutant(
        "encoder-fields",
        "if fields.keys() != _FIELDS:",
        "if False:",
        ("test_the_encoder_refuses_poison_for_its_reason",),
    ),
    Mutant(
        "encoder-option-types",
        "if type(value) is not _OPTIONS[name] or (isinstance(value, int) and value < 0):",
        "if False:",
        ("test_the_encoder_refuses_poison_for_its_reason",),
    ),
    Mutant(
        "encoder-unknown-options",
        "if not isinstance(options, dict) or not options.keys() <= _OPTIONS.keys():",
        "if not isinstance(options, dict):",
        ("test_the_encoder_refuses_poison_for_its_reason",),
    ),
    Mutant(
        "encoder-queue-of-its-actor",
        "if queue not in (ACTOR_QUEUES[actor], ACTOR_QUEUES[actor] + _DELAYED):",
        "if False:",
        ("test_the_encoder_refuses_poison_for_its_reason",),
    ),
    Mutant(
        "encoder-row-id",
        "if not _is_int(argument) or not 0 < argument < 1 << 63:",
        "if False:",
        ("test_the_encoder_refuses_poison_for_its_reason",),
    ),
    Mutant(
        "encoder-far-eta",
        'or options.get("eta", 0) > time.time() * 1000 + _FARTHEST_ETA_MS:',
        "or False:",
        ("test_the_encoder_refuses_poison_for_its_reason",),
    ),
    Mutant(
        "encoder-size",
        "if len(data) > MAX_EVENT_BYTES + _ROOM:",
        "if False:",
        ("test_the_encoder_does_not_read_what_no_sender_may_send",),
    ),
    Mutant(
        "json-name-twice",
        "if len(pairs) != len({name for name, _ in pairs}):",
        "if False:",
        ("test_what_is_no_strict_json_or_no_name_is_refused",),
    ),
    Mutant(
        "json-depth", "_check_depth(value, DEEPEST)", "pass", ("test_a_nasty_request_is_refused_without_quoting_it",)
    ),
    Mutant(
        "stale-acknowledgment",
        'if getattr(message, "delivered_by", None) is self:',
        "if True:",
        ("test_an_acknowledgment_from_before_a_reconnection_hits_no_other_message",),
    ),
    Mutant(
        "retry-lost", "message.fail()", "pass", ("test_a_retry_that_cannot_be_published_waits_among_the_dead_letters",)
    ),
    Mutant(
        "traceback-published",
        ' if name != "traceback"}',
        "}",
        ("test_a_retry_that_cannot_be_published_waits_among_the_dead_letters",),
    ),
    Mutant(
        "prefetch-unfair",
        "worker.queue_prefetch = worker.worker_threads",
        "pass",
        ("test_each_worker_holds_as_many_messages_as_it_has_threads",),
    ),
    Mutant(
        "call-from-outside",
        "if method.exchange and not is_event:",
        "if False:",
        ("test_one_of_our_calls_from_outside_is_put_aside",),
    ),
    Mutant(
        "sender-of-the-message",
        "message.options[SENDER] = self._sender",
        'message.options[SENDER] = self._sender or "somebody"',
        ("test_an_event_that_does_not_say_it_has_no_sender",),
    ),
    Mutant(
        "dead-letter-without-its-sender",
        'options[SENDER] = self.sender if is_event else call["options"].get(SENDER, "")',
        'options[SENDER] = ""',
        ("test_an_event_goes_back_with_its_sender",),
    ),
    Mutant(
        "dead-letter-comes-back",
        "if ACTOR_QUEUES.get(actor) != self.queue:",
        "if False:",
        ("test_what_would_come_back_at_once_stays",),
    ),
    Mutant(
        "database-not-waited-for",
        "return isinstance(error, OperationalError) or retries < _TRIES",
        "return retries < _TRIES",
        ("test_a_database_that_is_away_is_waited_for_and_a_bug_has_a_few_tries",),
    ),
    Mutant(
        "dead-thread-unseen",
        "os._exit(THREAD_DEAD)",
        "pass",
        ("test_a_worker_with_a_dead_thread_leaves",),
    ),
]

PUBLISHER = [
    Mutant(
        "request-not-mandatory",
        "self._channel.basic_publish(EXCHANGE, routing_key, body, properties, mandatory=True)",
        "self._channel.basic_publish(EXCHANGE, routing_key, body, properties)",
        ("test_an_unknown_type_comes_back_and_the_next_event_passes",),
    ),
    Mutant(
        "request-refusal-believed",
        "self._settle(exceptions.NackError([]))",
        "self._settle(None)",
        ("test_a_full_queue_refuses",),
    ),
    Mutant(
        "request-transient",
        "delivery_mode=DeliveryMode.Persistent",
        "delivery_mode=DeliveryMode.Transient",
        ("test_an_event_is_routed_by_its_type_and_described_by_its_properties",),
    ),
    Mutant(
        "silence-believed",
        "if self._outcome is not None:",
        "if False:",
        ("test_a_broker_that_does_not_confirm_is_not_believed",),
    ),
    Mutant(
        "request-of-any-size",
        "if len(body) > MAX_EVENT_BYTES:",
        "if False:",
        ("test_an_event_too_large_is_refused_before_any_connection",),
    ),
]

INGEST = [
    Mutant(
        "copies-taken-for-new",
        'if hashed in known or "" in known:',
        "if False:",
        ("test_a_copy_of_an_event_is_recognised",),
    ),
    Mutant(
        "copy-not-answered",
        "session.execute(update(Request).where(*mine, is_copied).values(announced_at=None))",
        "pass",
        ("test_a_copy_finds_its_answer_and_another_under_its_key_finds_its_own",),
    ),
    Mutant(
        "answer-given-twice",
        "values(announced_at=utc_now(), answer_lease=None)",
        "values(answer_lease=None)",
        ("test_a_request_is_accepted_with_the_files_to_expect",),
    ),
    Mutant(
        "two-notifiers-one-answer",
        "is_free = or_(Request.answer_lease.is_(None), Request.answer_lease <= utc_now())",
        "is_free = Request.id.is_not(None)",
        ("test_a_notifier_that_dies_leaves_its_answers_to_the_next",),
    ),
    Mutant(
        "another-event-under-the-same-key",
        "if is_taken and not _is_refused_for_its_key(answer):",
        "if False:",
        ("test_another_event_under_the_same_key_is_refused",),
    ),
    Mutant(
        "a-strangers-id-burns-the-owners",
        "mine = Request.sender == arrival.sender, Request.source",
        "mine = Request.sender.is_not(None), Request.source",
        ("test_a_refused_strangers_id_does_not_burn_the_owners",),
    ),
    Mutant(
        "parked-without-a-second-look",
        "if not _park(arrival, services, unknown):",
        "if not _park(arrival, services, unknown) or True:",
        ("test_a_request_recorded_while_its_cancel_is_parked_is_seen",),
    ),
    Mutant(
        "nobody-takes-up-what-waits",
        "arrivals += find_waiting(services.engine, made_known)",
        "pass",
        ("test_a_cancel_that_overtakes_its_request_waits_for_it",),
    ),
    Mutant(
        "refused-at-the-first-look",
        "LOOK_SECONDS, LOOKS = 30.0, 2",
        "LOOK_SECONDS, LOOKS = 30.0, 1",
        ("test_it_is_refused_once_it_was_looked_at_twice_in_vain",),
    ),
    Mutant(
        "older-deposit-counts",
        "return or_(column.is_(None), column <= said_at)",
        "return or_(column.is_(None), column.is_not(None))",
        ("test_of_two_deposits_the_one_said_last_counts_and_the_other_says_why",),
    ),
    Mutant(
        "clock-ahead-locks-out",
        "return min(self.said_at, now)",
        "return self.said_at",
        ("test_a_clock_that_is_ahead_does_not_keep_others_from_correcting",),
    ),
    Mutant(
        "anybody-is-served",
        'return self.sender != "" and connection.scalar(of_sender) is not None',
        "return True",
        ("test_another_is_refused_with_a_reason_and_nobody_is_mailed",),
    ),
    Mutant(
        "any-commune-is-served",
        "Sender.code_commune.in_([commune, EVERY_COMMUNE])",
        "Sender.code_commune.is_not(None)",
        ("test_another_is_refused_with_a_reason_and_nobody_is_mailed",),
    ),
    Mutant(
        "stranger-writes-to-agents",
        'return commune if commune and authorization.allows(commune) else ""',
        "return commune",
        ("test_invalid_data_of_a_stranger_is_told_to_no_agent",),
    ),
    Mutant(
        "doorbell-refused-and-forgotten",
        "take_back_enqueued(services.engine, doorbells)",
        "pass",
        ("test_a_request_read_while_the_broker_is_away_rings_at_the_next_sweep",),
    ),
    Mutant(
        "deposit-of-a-file-that-is-not-ready",
        "if missing := [file.label for file in found.values() if file.status != ExportStatus.READY]:",
        "if missing := []:",
        ("test_what_cannot_be_is_refused",),
    ),
    Mutant(
        "commission-s-copy-deposited",
        "if any(file.edition == Edition.COMMISSION for file in files):",
        "if False:",
        ("test_the_copy_of_the_commission_is_not_deposited",),
    ),
    Mutant(
        "deposit-of-another-communes-file",
        "if found.keys() != set(ids):",
        "if False:",
        ("test_what_cannot_be_is_refused",),
    ),
]

LEASE = [
    Mutant(
        "no-fence",
        "return and_(Export.id == export_id, LEASE.is_held_by(owner), Export.status == ExportStatus.RUNNING)",
        "return Export.id == export_id",
        (
            "test_make_liste_lease.py::test_a_worker_that_lost_its_lease_publishes_nothing",
            "test_make_liste_lease.py::test_a_worker_that_wakes_up_late_does_not_touch_the_file_of_its_successor",
        ),
    ),
    Mutant(
        "fence-unheeded",
        "if connection.execute(update(Export).where(fence).values(**values)).rowcount != 1:",
        "if not connection.execute(update(Export).where(fence).values(**values)):",
        ("test_make_liste_lease.py::test_a_worker_that_lost_its_lease_publishes_nothing",),
    ),
    Mutant(
        "claims-a-living-row",
        "return or_(waits, and_(Export.status == ExportStatus.RUNNING, LEASE.is_expired()))",
        "return or_(waits, Export.status == ExportStatus.RUNNING)",
        ("test_a_row_at_work_elsewhere_is_left_alone",),
    ),
    Mutant(
        "attempts-without-end",
        "exhausted = Export.attempts >= max_attempts",
        "exhausted = Export.attempts > max_attempts",
        ("test_a_row_whose_workers_died_three_times_fails",),
    ),
    Mutant("lost-lease-unnoticed", "self._lost.set()", "pass", ("test_a_lost_lease_is_noticed_while_writing",)),
    Mutant(
        "frozen-while-publishing",
        "SET LOCAL idle_in_transaction_session_timeout = '15s'",
        "SELECT 1",
        ("test_a_worker_that_freezes_while_it_publishes_does_not_keep_the_row[postgresql]",),
    ),
]

STORAGE = [
    Mutant(
        "final-name-at-once",
        "self.temporary = directory / f\".{name}.{owner.replace('/', '_')}.part\"",
        "self.temporary = self.path",
        ("test_every_byte_then_every_name_is_on_the_disk_before_the_row_is_ready",),
    ),
    Mutant(
        "bytes-not-synced",
        "os.fsync(self._file.fileno())",
        "pass",
        ("test_every_byte_then_every_name_is_on_the_disk_before_the_row_is_ready",),
    ),
    Mutant(
        "names-not-synced",
        "os.fsync(descriptor)",
        "pass",
        ("test_every_byte_then_every_name_is_on_the_disk_before_the_row_is_ready",),
    ),
    Mutant(
        "new-folder-not-synced",
        "_sync_directory(self.root)",
        "pass",
        ("test_every_byte_then_every_name_is_on_the_disk_before_the_row_is_ready",),
    ),
    Mutant(
        "removal-not-synced",
        "_sync_directory(self.root / code_commune)",
        "pass",
        ("test_what_is_removed_is_gone_for_good",),
    ),
    Mutant(
        "files-for-everybody",
        "DIRECTORY_MODE, FILE_MODE = 0o2750, 0o640",
        "DIRECTORY_MODE, FILE_MODE = 0o2755, 0o644",
        ("test_files_are_for_the_group_and_nobody_else",),
    ),
    Mutant(
        "failed-file-left",
        "self.temporary.unlink(missing_ok=True)",
        "pass",
        ("test_a_disk_that_fills_up_under_the_bytes_leaves_nothing",),
    ),
    Mutant(
        "no-look-at-the-room",
        "if free < size:",
        "if False:",
        ("test_make_liste_faults.py::test_a_disk_that_is_too_small_is_told_before_the_work",),
    ),
    Mutant(
        "commune-becomes-a-path",
        "return self.root / check_code_commune(code_commune) / name",
        "return self.root / code_commune / name",
        ("test_the_volume_knows_communes_only",),
    ),
    Mutant(
        "commune-becomes-a-folder",
        "directory = self.root / check_code_commune(code_commune)",
        "directory = self.root / code_commune",
        ("test_a_path_in_a_commune_code_reaches_no_file",),
    ),
    Mutant("umask-of-the-shell", "os.umask(0o027)", "pass", ("test_a_command_keeps_what_it_writes_private",)),
]

LISTS = [
    Mutant("count-mismatch", "if written != census.electeurs:", "if False:", ("test_a_missing_line_fails_the_export",)),
    Mutant(
        "xml-not-validated",
        "validate_xml(file.temporary, services.xsd)",
        "pass",
        ("test_an_xml_that_breaks_the_operators_schema_is_not_published",),
    ),
    Mutant(
        "snapshot-of-each-statement",
        '"isolation_level": "REPEATABLE READ"',
        '"isolation_level": "READ COMMITTED"',
        ("test_an_elector_changed_meanwhile_is_written_as_she_was[postgresql]",),
    ),
    Mutant(
        "csv-quoted-by-copy",
        "if b'\"' in block:",
        "if False:",
        ("test_a_separator_that_nobody_announced_stops_the_file[postgresql]",),
    ),
    Mutant(
        "csv-quoted-by-python",
        "quoting=csv.QUOTE_NONE, quotechar=None,",
        "",
        ("test_a_separator_that_nobody_announced_stops_the_file",),
    ),
    Mutant(
        "doctype-read",
        'raise SchemaMismatchError("Le fichier XML contient un DOCTYPE : il n\'est ni lu ni publié.")',
        "pass",
        ("test_an_entity_is_never_read", "test_a_dtd_elsewhere_is_never_read"),
    ),
    Mutant(
        "xml-schema-loose",
        '<xs:element name="Sexe" type="xs:string"/>',
        '<xs:any processContents="skip"/>',
        ("test_a_tampered_file_is_refused_and_the_place_is_told", "test_the_schema_has_the_columns_in_their_order"),
    ),
    Mutant(
        "separators-unseen",
        'return text.contains(";") | text.contains(\'"\')',
        'return text.contains(";") & text.contains(\'"\')',
        ("test_a_separator_in_a_value_becomes_what_looks_like_it",),
    ),
    Mutant("minors-in-the-file", "MAJORITE = 18", "MAJORITE = 17", ("test_who_is_of_age_is_on_the_list",)),
    Mutant(
        "rule-sexe", 'E.sexe.not_in(("M", "F"))', 'E.sexe.not_in(("M", "F", ""))', ("test_a_rule_speaks_when_it_must",)
    ),
    Mutant(
        "rule-nationality-of-complementary-lists",
        "return lambda liste: false() if liste.liste is Liste.PRINCIPALE else condition(liste)",
        "return lambda _liste: false()",
        ("test_a_rule_speaks_when_it_must",),
    ),
    Mutant(
        "rule-severity",
        "(Severity.BLOCKING, False, _BLOCKING),",
        "(Severity.REMARK, False, _BLOCKING),",
        ("test_every_rule_has_its_cases_and_its_severity",),
    ),
    Mutant(
        "rule-departements-open",
        "_DEPARTEMENT.not_in(sorted(departements_naissance())),",
        "false(),",
        ("test_a_rule_speaks_when_it_must",),
    ),
    Mutant(
        "rule-zeros",
        "return and_(func.length(column) == digits - 1,",
        "return and_(func.length(column) == digits,",
        (
            "test_a_rule_speaks_when_it_must",
            "test_zeros_that_a_spreadsheet_took_are_said_once_for_the_whole_file",
        ),
    ),
    Mutant(
        "rule-zeros-of-the-file",
        "if census.without_zeros:",
        "if False:",
        ("test_zeros_that_a_spreadsheet_took_are_said_once_for_the_whole_file",),
    ),
    Mutant(
        "rule-foreign-postal-codes",
        '_EN_FRANCE = func.upper(E.pays).in_(("", "FRANCE"))',
        "_EN_FRANCE = E.pays == E.pays",
        ("test_a_rule_speaks_when_it_must",),
    ),
    Mutant(
        "rule-members-for-ever",
        "while_member = and_(today >= since, today < until) if until else today >= since",
        "while_member = today >= since",
        (
            "test_a_rule_speaks_when_it_must",
            "test_a_nationality_counts_while_its_state_is_a_member",
        ),
    ),
    Mutant(
        "rule-members-since-ever",
        "if until else today >= since",
        "if until else today >= ''",
        ("test_a_nationality_does_not_count_before_its_state_is_a_member",),
    ),
    Mutant(
        "rule-letters",
        'return _always(and_(column != "", or_(func.ltrim(column, _NO_LETTER) == "", column.contains("?"))))',
        "return _always(false())",
        ("test_a_rule_speaks_when_it_must",),
    ),
    Mutant(
        "rule-oldest",
        'OLDEST = "1900"',
        'OLDEST = "1000"',
        ("test_a_rule_speaks_when_it_must",),
    ),
    Mutant(
        "rule-garbled",
        "return _GARBLED.search(value) is not None",
        "return False",
        ("test_ruined_letters_are_told_with_their_column",),
    ),
    Mutant(
        "rule-doubles",
        ".having(func.count() > 1)",
        ".having(func.count() > 2)",
        ("test_doubles_on_a_list",),
    ),
    Mutant(
        "rule-homonyms",
        "rules.TWICE if addresses[row.adresse] > 1 else rules.HOMONYM",
        "rules.TWICE",
        ("test_doubles_on_a_list",),
    ),
    Mutant(
        "rule-usage-name",
        "without_case(E.nom_usage) == without_case(E.nom_naissance)",
        "E.nom_usage == E.nom_naissance",
        ("test_a_rule_speaks_when_it_must",),
    ),
    Mutant(
        "rule-algeria",
        'and_(_ALGERIE, _DATE >= "1962-07-03"),',
        "_ALGERIE,",
        ("test_a_rule_speaks_when_it_must",),
    ),
    Mutant(
        "rule-ours-is-a-setting",
        "return ours if self.is_ours else self.severity",
        "return self.severity",
        ("test_what_is_ours_is_a_remark_where_the_operator_says_so",),
    ),
    Mutant("rule-longest", "LONGEST = 255", "LONGEST = 256", ("test_a_long_value_is_a_remark_from_256_characters_on",)),
    Mutant(
        "spreadsheet-formula",
        'return f"{_MARK}{value}" if _is_dangerous(value) else value',
        "return value",
        (
            "test_no_cell_becomes_a_formula[=]",
            "test_make_liste.py::test_no_cell_of_the_report_can_become_a_formula",
            "test_comparaison.py::test_no_cell_of_the_report_can_become_a_formula",
        ),
    ),
]

PRIVACY = [
    Mutant(
        "database-errors-quote-postgresql",
        "create_engine(url, hide_parameters=True, pool_pre_ping=True",
        "create_engine(url, pool_pre_ping=True",
        ("test_an_error_of_the_database_quotes_no_value[postgresql]",),
    ),
    Mutant(
        "database-errors-quote-sqlite",
        'url, hide_parameters=True, connect_args={"timeout"',
        'url, connect_args={"timeout"',
        ("test_an_error_of_the_database_quotes_no_value",),
    ),
    Mutant(
        "tracebacks-quote",
        '"type": type(error).__name__,',
        '"type": repr(error),',
        ("test_an_exception_is_told_without_its_message",),
    ),
    Mutant("events-quote", 'return "<event>"', "return super().__repr__()", ("test_an_event_shows_nothing_of_itself",)),
    Mutant(
        "poison-quotes",
        'raise InvalidEventError("not JSON") from None',
        "raise InvalidEventError(str(body)) from None",
        ("test_the_encoder_refuses_poison_for_its_reason",),
    ),
    Mutant(
        "settings-quote",
        "hide_input_in_errors=True",
        "hide_input_in_errors=False",
        ("test_a_setting_that_is_refused_is_shown_nowhere",),
        where="common",
    ),
    Mutant(
        "libraries-talk",
        "logging.getLogger(name).setLevel(logging.CRITICAL)",
        "pass",
        ("test_a_library_that_logs_what_it_carries_is_not_heard",),
    ),
    Mutant(
        "address-logged",
        'values[name] = value if _PLAIN.fullmatch(str(value)) else "?"',
        "values[name] = value",
        ("test_what_is_typed_in_an_address_is_not_repeated",),
    ),
    Mutant(
        "fingerprint-without-a-key",
        "digest_size=HALF, key=self.key).digest()",
        "digest_size=HALF).digest()",
        ("test_two_keys_have_nothing_in_common",),
    ),
    Mutant(
        "fingerprint-in-the-order-of-the-lines",
        'b"".join(sorted(_cut(parts.pop())))',
        'b"".join(_cut(parts.pop()))',
        ("test_the_order_of_the_lines_leaves_no_trace",),
    ),
    Mutant(
        "fingerprint-of-other-bytes",
        "if taken.sha256 != file.sha256:",
        "if False:",
        ("test_a_file_that_was_purged_or_altered_before_its_deposit_is_no_reference",),
    ),
]

PURGE = [
    Mutant(
        "retention-longer",
        "_DAY_SECONDS, _CENTURY_DAYS = 24 * 3600, 36_525",
        "_DAY_SECONDS, _CENTURY_DAYS = 24 * 3600 + 2400, 36_525",
        ("test_old_files_and_their_reports_leave_and_their_rows_stay",),
    ),
    Mutant(
        "retention-shorter",
        "_DAY_SECONDS, _CENTURY_DAYS = 24 * 3600, 36_525",
        "_DAY_SECONDS, _CENTURY_DAYS = 24 * 3600 - 2400, 36_525",
        ("test_old_files_and_their_reports_leave_and_their_rows_stay",),
    ),
    Mutant(
        "purged-before-it-is-told",
        ".where(is_old(seconds), Request.told_at.is_not(None))",
        ".where(is_old(seconds))",
        ("test_files_wait_until_somebody_was_told_of_them",),
    ),
    Mutant(
        "absent-volume-taken-for-empty",
        'if not any(path.is_dir() for path in self.root.glob("[0-9]*")):',
        "if False:",
        ("test_an_absent_volume_is_not_taken_for_an_empty_one",),
    ),
    Mutant(
        "answer-kept-for-ever",
        'connection.execute(update(Depot).where(Depot.export_id == row["id"]).values(answer=""))',
        "pass",
        ("test_a_purge_erases_the_answer_and_keeps_the_rest",),
    ),
    Mutant(
        "made-again-and-removed",
        "rows = select(*columns).where(Export.id.in_(ids), IS_BEING_PURGED).with_for_update(skip_locked=True)",
        "rows = select(*columns).where(Export.id.in_(ids)).with_for_update(skip_locked=True)",
        ("test_a_file_that_is_made_again_meanwhile_is_not_removed",),
    ),
    Mutant(
        "no-trail",
        "connection.execute(insert(Audit).inline().values(**values, export_id=export_id))",
        "pass",
        ("test_old_files_and_their_reports_leave_and_their_rows_stay",),
    ),
]

NOTIFIER = [
    Mutant(
        "told-again",
        "query = select(Notification, age).where(subject.is_it, Notification.settled_at.is_(None), is_due)",
        "query = select(Notification, age).where(subject.is_it, is_due)",
        ("test_a_full_mailbox_is_tried_again_and_the_others_are_told_once",),
    ),
    Mutant(
        "told-before-the-last-file",
        "unfinished = exports.where(IS_UNFINISHED)",
        "unfinished = exports.where(Export.status.in_([]))",
        ("test_a_request_is_not_told_before_its_last_file",),
    ),
    Mutant(
        "message-id-of-the-moment",
        'return f"<{digest(message.about)}.{digest(addressee.address)}@{domain}>"',
        'return f"<{id(message)}.{digest(addressee.address)}@{domain}>"',
        ("test_message_id_is_stable_and_hides_the_address",),
    ),
    Mutant(
        "two-notifiers-one-request",
        "Lease(row.teller, row.teller_lease).is_free(),",
        "true(),",
        ("test_three_notifiers_tell_sixty_requests_once",),
    ),
    Mutant(
        "refusal-tried-again",
        "if code >= _PERMANENT:",
        "if False:",
        ("test_who_will_never_be_reached_is_recorded_and_the_others_are_told",),
    ),
    Mutant(
        "mail-in-the-clear",
        "server.starttls(context=ssl.create_default_context())",
        "pass",
        ("test_a_server_without_tls_gets_nothing_in_the_clear",),
    ),
    Mutant(
        "webhook-to-our-own-network",
        "if not all(_is_public(address) or self._is_listed(address) for address in addresses):",
        "if False:",
        ("test_a_name_may_not_lead_inside",),
    ),
    Mutant(
        "webhook-to-any-host",
        'if host.rstrip(".") not in self.names and not self._is_listed(host):',
        "if False:",
        ("test_what_is_not_listed_is_refused",),
    ),
    Mutant(
        "webhook-in-the-clear",
        'if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):',
        "if False:",
        ("test_what_is_not_listed_is_refused", "test_without_tls_nothing_leaves_this_machine"),
    ),
    Mutant(
        "header-from-a-value",
        "return Address(addr_spec=email)",
        'return Address(username=email.partition("@")[0], domain=email.partition("@")[2])',
        ("test_what_is_not_one_address_is_refused",),
    ),
    Mutant(
        "reminded-too-late",
        "of_reminder = ReminderEcheance.reminder_id == reminder_id, ReminderEcheance.until >= today",
        "of_reminder = (ReminderEcheance.reminder_id == reminder_id,)",
        ("test_a_reminder_that_could_not_leave_in_time_is_given_up",),
    ),
    Mutant(
        "sweep-rings-twice",
        ".values(rung_at=utc_now())",
        ".values(rung_at=Export.rung_at)",
        ("test_the_sweep_rings_forgotten_and_orphaned_rows_once",),
        where="worker/exports/records.py",
    ),
    Mutant(
        "sweep-forgets-the-dead",
        "return or_(waits, and_(Export.status == ExportStatus.RUNNING, LEASE.is_expired()))",
        "return waits",
        ("test_a_row_whose_worker_died_does_not_wait_for_the_queue_to_shrink",),
    ),
    Mutant(
        "sweep-rings-a-long-queue",
        "lost = {queue: rows - held.get(queue, 0) for queue",
        "lost = {queue: rows for queue",
        ("test_as_many_rows_ring_as_messages_lack_the_oldest_first",),
    ),
    Mutant(
        "webhook-unsigned",
        '"webhook-signature": Webhook(addressee.secret).sign(message_id, now, body),',
        '"webhook-signature": "v1,",',
        ("test_the_events_of_a_request_come_in_one_post_that_its_signature_proves",),
    ),
    Mutant(
        "gone-and-told",
        "if refusal.is_gone:",
        "if False:",
        ("test_a_recipient_that_is_gone_is_told_nothing_any_more",),
    ),
]

SCREEN = [
    Mutant(
        "form-of-anybody",
        "if not (isinstance(given, str) and expected and secrets.compare_digest(given.encode(), expected.encode())):",
        "if False:",
        ("test_a_form_without_this_sessions_token_is_refused",),
    ),
    Mutant(
        "form-of-another-site",
        'if headers.get("sec-fetch-site", "same-origin") != "same-origin":',
        "if False:",
        ("test_a_form_of_another_site_is_refused",),
    ),
    Mutant(
        "form-of-another-origin",
        'return all(origin.lower() == own for origin in headers.getlist("origin"))',
        "return True",
        ("test_a_form_of_another_site_is_refused",),
    ),
    Mutant(
        "any-host",
        'if scope["type"] != "http" or scope["path"] in OPEN_TO_ANY_NAME:',
        "if True:",
        (
            "test_alone_a_name_that_was_made_to_lead_here_is_refused",
            "test_behind_a_proxy_only_the_public_name_is_known",
        ),
    ),
    Mutant(
        "any-commune",
        "if commune is None or answer is None:",
        "if answer is None:",
        ("test_another_communes_agent_finds_nothing",),
    ),
    Mutant(
        "header-of-anybody",
        "if request.scope.get(FROM_PROXY) is not True or not self._shows_secret(request):",
        "if not self._shows_secret(request):",
        ("test_the_header_of_anybody_else_is_refused",),
    ),
    Mutant(
        "proxy-without-its-secret",
        "return len(shown) == 1 and secrets.compare_digest(shown[0].encode()",
        "return True or (shown[0].encode()",
        ("test_a_proxy_shows_its_secret_where_there_is_one",),
    ),
    Mutant("header-twice", "if len(named) > 1:", "if False:", ("test_a_name_that_was_written_twice_is_refused",)),
    Mutant(
        "alone-through-a-proxy",
        "if any(name in request.headers for name in _OF_PROXIES):",
        "if False:",
        ("test_alone_nobody_comes_through_a_proxy",),
    ),
    Mutant(
        "session-without-end",
        "if now > session[_SINCE] + SESSION_SECONDS or now > session[_SEEN] + IDLE_SECONDS:",
        "if False:",
        ("test_a_session_that_nobody_uses_ends", "test_a_session_ends_with_the_working_day_even_if_it_is_used"),
    ),
    Mutant(
        "session-after-logout",
        "if not who or sid in self._ended:",
        "if not who:",
        ("test_logging_out_ends_the_session_here_and_at_the_provider",),
    ),
    Mutant(
        "session-kept-alive-by-a-page",
        "if now > session[_SEEN] + _SEEN_EVERY and not _is_by_itself(request):",
        "if now > session[_SEEN] + _SEEN_EVERY:",
        ("test_a_page_that_asks_by_itself_keeps_no_session_alive",),
    ),
    Mutant(
        "session-of-the-former-agent",
        "if request.session.get(_AGENT, agent.name) != agent.name:",
        "if False:",
        ("test_the_next_person_at_this_browser_begins_anew",),
    ),
    Mutant(
        "unverified-address",
        'if self.claim == "email" and claims.get("email_verified", True) not in (True, "true"):',
        "if False:",
        ("test_an_address_that_nobody_verified_is_none",),
    ),
    Mutant(
        "any-employer",
        'if self.sirets and str(claims.get("siret")) not in self.sirets:',
        "if False:",
        ("test_only_agents_of_the_listed_employers",),
    ),
    Mutant(
        "return-elsewhere",
        'return is_plain and path.startswith("/") and not path.startswith("//")',
        "return is_plain",
        ("test_what_is_signed_and_leads_elsewhere_leads_home",),
    ),
    Mutant(
        "form-of-any-size",
        'left -= len(message.get("body", b""))',
        "pass",
        ("test_a_form_is_small", "test_a_dropped_file_has_its_limit_too"),
    ),
    Mutant(
        "as-often-as-one-likes",
        "if key and not self._limiter.hit(item, act, key):",
        "if False:",
        ("test_an_agent_who_asks_too_often_waits",),
    ),
    Mutant(
        "pages-in-caches",
        'headers.setdefault("Cache-Control", "no-store")',
        "pass",
        ("test_pages_are_kept_by_no_cache",),
    ),
    Mutant("framed", "frame-ancestors 'none'", "frame-ancestors *", ("test_every_answer_has_them",)),
    Mutant("sniffed", '"X-Content-Type-Options": "nosniff",', "", ("test_every_answer_has_them",)),
    Mutant(
        "link-of-a-file-followed",
        "flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC",
        "flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC",
        ("test_a_link_is_refused_be_it_the_file_or_its_directory",),
    ),
    Mutant(
        "link-of-a-folder-followed",
        "flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC",
        "flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC",
        ("test_a_link_is_refused_be_it_the_file_or_its_directory",),
    ),
    Mutant(
        "name-of-a-file-unchecked",
        'if not name or name.startswith(".") or "/" in name or "\\0" in name:',
        "if False:",
        ("test_a_name_that_is_no_plain_name_is_not_looked_for",),
    ),
    Mutant(
        "altered-file-handed-out",
        "hash_file(file)[1] == recorded.sha256",
        "bool(hash_file(file)[1])",
        ("test_other_bytes_are_refused",),
    ),
    Mutant(
        "database-written-by-the-screen",
        "return engine.execution_options(postgresql_readonly=True)",
        "return engine",
        ("test_a_session_can_only_read",),
    ),
    Mutant(
        "half-a-download-told",
        "self.is_complete = left == 0",
        "self.is_complete = True",
        ("test_a_file_that_is_cut_meanwhile_was_not_taken",),
    ),
]

IMPORT = [
    Mutant(
        "bomb-in-a-zip",
        "if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > most_bytes:",
        "if False:",
        ("test_what_it_is_and_what_to_do_is_said[bombe.zip-sqlite]",),
    ),
    Mutant(
        "bomb-in-a-workbook",
        "with open_archive(stream, MOST_BYTES):",
        "with open_archive(stream, 1 << 40):",
        ("test_what_it_is_and_what_to_do_is_said[classeur-bombe.xlsx-sqlite]",),
    ),
    Mutant(
        "row-without-end",
        "if number > _MOST_ROWS:",
        "if False:",
        ("test_what_it_is_and_what_to_do_is_said[classeur-sans-fin.xlsx-sqlite]",),
    ),
    Mutant(
        "size-of-a-sheet-believed",
        "sheet.reset_dimensions()  #",
        "pass  #",
        ("test_what_it_is_and_what_to_do_is_said[classeur-dimension-fausse.xlsx-sqlite]",),
    ),
    Mutant(
        "zeros-lost-in-cells-unsaid",
        "if isinstance(cells[place], int | float) and len(fields[place]) < most:",
        "if False:",
        ("test_what_it_is_and_what_to_do_is_said[classeur-de-nombres.xlsx-sqlite]",),
    ),
    Mutant(
        "two-sheets-one-taken",
        "if len(found) > 1:",
        "if False:",
        ("test_what_it_is_and_what_to_do_is_said[classeur-de-deux-feuilles.xlsx-sqlite]",),
    ),
    Mutant(
        "encoding-of-dos-believed",
        "if _DOS.search(line):",
        "if False:",
        ("test_what_it_is_and_what_to_do_is_said[cp850.csv-sqlite]",),
    ),
    Mutant(
        "line-in-utf-8-read-as-cp1252",
        "lines = map(_mark_utf_8, lines)",
        "pass",
        ("test_what_it_is_and_what_to_do_is_said[une-ligne-en-utf-8.csv-sqlite]",),
    ),
    Mutant(
        "file-of-another-kind-read",
        "if kind is FileKind.TEXT:",
        "if True:",
        (
            "test_what_it_is_and_what_to_do_is_said[session-expiree.csv-sqlite]",
            "test_what_it_is_and_what_to_do_is_said[utf-16-sans-marque.csv-sqlite]",
        ),
    ),
    Mutant(
        "titles-again-are-an-elector",
        "elif fields[-1] == repeated[-1] and fields[1:] == repeated[1:]:",
        "elif False:",
        ("test_what_it_is_and_what_to_do_is_said[deux-fichiers.csv-sqlite]",),
    ),
    Mutant(
        "last-line-cut-unsaid",
        'if not lines.held[0].endswith(("\\n", "\\r")):',
        "if False:",
        ("test_what_it_is_and_what_to_do_is_said[coupe-entre-guillemets.csv-sqlite]",),
    ),
    Mutant(
        "arrondissement-is-a-commune",
        "return next((commune for commune, first, last in _ARRONDISSEMENTS if first <= code <= last), code)",
        "return code",
        ("test_what_it_is_and_what_to_do_is_said[arrondissement.csv-sqlite]",),
    ),
    Mutant(
        "loss-accepted",
        "if shrunk and not accept:",
        "if False:",
        ("test_a_list_that_loses_much_is_refused_unless_accepted",),
    ),
    Mutant(
        "rejects-accepted",
        "if rejects.reasons and not (accept and reading.lines_kept):",
        "if False:",
        ("test_import_reu.py::test_rejected_lines_are_reported_and_must_be_accepted",),
        where="worker/registre/reu/importer",
    ),
    Mutant(
        "minor-counted-the-day-before",
        "is_young = last_birth(jour) < date_naissance",
        "is_young = last_birth(jour + timedelta(days=1)) < date_naissance",
        ("test_the_day_before_she_is_a_minor",),
        where="common",
    ),
    Mutant(
        "minor-in-the-count",
        ".where(on_liste, of_age)",
        ".where(on_liste)",
        ("test_minors_are_counted_nowhere",),
    ),
    Mutant(
        "minor-on-a-page",
        "elif not is_mineur(born, apres, seen_on):",
        "else:",
        ("test_a_minor_is_on_no_page",),
    ),
    Mutant(
        "minor-undone-though-not-counted",
        "if not mouvement.is_listed or not is_counted(mouvement, demande):",
        "if not mouvement.is_listed:",
        ("test_before_and_after_are_those_on_the_list_and_of_age",),
    ),
    Mutant(
        "second-round-forgotten",
        "return self.last_rounds.get(scrutin, scrutin)",
        "return scrutin",
        ("test_who_is_on_the_list_is_inscribed_on_her_birthday", "test_of_age_for_the_poll_or_its_second_round"),
    ),
    Mutant(
        "inscription-doubled",
        "_undo(row, listed)",
        "pass",
        ("test_an_entry_after_the_birthday_is_of_its_own_day",),
    ),
    Mutant(
        "left-as-a-minor",
        "yield from late",
        "yield from rows",
        ("test_who_left_as_a_minor_was_nobody",),
    ),
    Mutant(
        "gap-passed-over",
        "if not link.is_compared:",
        "if False:",
        ("test_an_export_that_was_not_compared_is_a_gap",),
    ),
    Mutant(
        "later-gap-passed-over",
        "for before, link in pairwise(after) if not link.is_compared)",
        "for before, link in pairwise(after) if False)",
        ("test_a_gap_after_the_period_is_one_too_since_electors_are_counted_back_across_it",),
    ),
    Mutant(
        "same-bytes-say-nothing",
        "if same and not intake.says_more_than(same):",
        "if same:",
        ("test_the_same_bytes_taken_later_are_a_link_more",),
    ),
    Mutant(
        "last-export-before-the-end",
        "if window[-1].taken_on < end:",
        "if False:",
        ("test_nothing_is_known_before_the_first_export_nor_after_the_last",),
    ),
    Mutant(
        "first-export-after-the-start",
        "if window[0].taken_on > start:",
        "if False:",
        ("test_nothing_is_known_before_the_first_export_nor_after_the_last",),
    ),
    Mutant(
        "mouvements-of-nobody-knows-when",
        "elif link.mouvements and before.taken_on < end < link.taken_on:",
        "elif False:",
        ("test_what_came_after_the_end_is_no_matter_unless_it_may_be_of_the_period",),
    ),
    Mutant(
        "day-to-come-believed",
        "if day and day > jour_a_paris(now()):",
        "if False:",
        ("test_nothing_is_known_of_a_day_to_come[sqlite]",),
    ),
    Mutant(
        "late-export-taken-up",
        "if last and last > jour:",
        "if False:",
        ("test_an_export_that_comes_late_is_refused[sqlite]",),
    ),
    Mutant(
        "list-without-electors",
        "if not reading.listes:",
        "if False:",
        ("test_a_file_without_electors_is_refused",),
        where="worker/registre/reu/importer",
    ),
    Mutant(
        "file-that-grows",
        "if has_changed:",
        "if False:",
        ("test_a_file_that_grows_while_it_is_read_is_refused",),
        where="worker/registre/imports/lines",
    ),
    Mutant(
        "two-imports-on-postgresql",
        'is_ours = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_KEY})',
        "is_ours = True",
        ("test_a_second_import_is_refused_while_one_is_at_work[postgresql]",),
    ),
    Mutant(
        "undo-of-anothers-list",
        "if any(current.get(liste) != known.id for liste in before):",
        "if False:",
        ("test_an_import_that_a_service_has_overwritten_is_not_undone",),
    ),
    Mutant("undo-twice", "if known.is_undone:", "if False:", ("test_the_last_import_can_be_undone_once",)),
    Mutant(
        "undo-out-of-order",
        "if found := connection.execute(later).one_or_none():",
        "if False:",
        ("test_imports_are_undone_one_after_the_other",),
    ),
    Mutant(
        "undo-of-what-is-gone",
        "if not connection.scalar(select(exists().where(*of_version)), key):",
        "if False:",
        ("test_what_an_earlier_release_has_removed_does_not_come_back_empty",),
    ),
    Mutant(
        "undo-for-ever",
        "if not known.can_be_undone:",
        "if False:",
        ("test_an_import_is_not_undone_when_what_it_replaced_is_gone",),
    ),
    Mutant(
        "undo-keeps-its-mouvements",
        "forgotten = connection.execute(delete(MouvementRegistre).where(MouvementRegistre.import_id == known.id))",
        "forgotten = connection.execute(delete(MouvementRegistre).where(MouvementRegistre.import_id == -1))",
        ("test_undoing_an_import_removes_its_mouvements_and_no_others",),
    ),
    Mutant(
        "undo-has-nothing-left",
        "AND i.undone_at IS NULL AND i.finished_at >= :since)",
        "AND i.undone_at IS NULL AND i.finished_at < :since)",
        ("test_imports_are_undone_one_after_the_other",),
    ),
    Mutant(
        "report-over-another-file",
        "is_ours = file.readline(len(first_line)) == first_line",
        "is_ours = True",
        ("test_import_reu.py::test_a_report_never_replaces_another_file",),
    ),
    Mutant("doubt-not-asked", "find_doubts(connection)", "pass", ("test_a_corrected_civil_status_is_asked_about",)),
    Mutant(
        "doubt-passed-over",
        "number = sum(any(is_in(mouvement, demande) for mouvement in pair) for pair in pairs)",
        "number = 0",
        ("test_a_tableau_that_an_open_doubt_would_enter_is_blocking",),
    ),
    Mutant(
        "doubt-decided-twice",
        'is_it = Doubt.id == doubt_id, Doubt.decision == ""',
        "is_it = (Doubt.id == doubt_id,)",
        ("test_what_was_decided_is_not_decided_again",),
    ),
    Mutant(
        "doubt-of-another-commune",
        "if found is None or (code_commune is not None and found.code_commune != code_commune):",
        "if found is None:",
        ("test_a_doubt_of_another_commune_is_not_known",),
    ),
    Mutant(
        "doubt-without-authorization",
        "authorization.require(asked.commune)",
        "pass",
        ("test_an_event_of_an_account_that_may_not_decides_nothing",),
        "worker/handlers/decide_doubt.py",
    ),
    Mutant(
        "doubt-outlives-its-import",
        "forget_doubts(connection, known.id)",
        "pass",
        ("test_an_import_that_is_undone_takes_its_doubts_away",),
    ),
    Mutant(
        "correction-stays-a-departure",
        "connection.execute(delete(known).where(known.id.in_(gone)))",
        "pass",
        ("test_one_person_has_no_mouvement_any_more",),
    ),
    Mutant(
        "correction-loses-the-bureau",
        "if left.ancien_bureau == came.nouveau_bureau:",
        "if True:",
        ("test_one_person_in_another_bureau_has_changed_bureau",),
    ),
    Mutant(
        "correction-loses-the-protection",
        "add_protection(connection, left.code_commune, corrected)",
        "pass",
        ("test_who_was_protected_stays_so_under_her_corrected_name",),
    ),
]

DATABASE = [
    Mutant(
        "worker-on-an-old-database",
        "if found != newest():",
        "if False:",
        ("test_a_worker_refuses_a_database_that_is_not_migrated",),
    ),
    Mutant(
        "rights-kept-that-were-taken-away",
        'connection.execute(text(f"REVOKE ALL ON {ours} FROM {account}"))',
        "pass",
        ("test_migrating_gives_back_the_rights_on_a_view_that_was_made_again_and_takes_others_away",),
    ),
    Mutant(
        "setting-misspelt",
        "if unknown := unknown_variables(environment):",
        "if False:",
        ("test_a_misspelt_variable_is_refused_and_the_right_name_suggested",),
    ),
]

TABLEAUX = [
    Mutant(
        "provisional-called-ready",
        "is_provisoire = effective_on is not None and effective_on > jour_a_paris(request.created_at)",
        "is_provisoire = False",
        ("test_what_was_made_before_its_date_is_known_as_provisional",),
    ),
    Mutant(
        "deadline-met-by-a-provisional",
        "return self.status is ExportStatus.READY and not (self.bloquantes or self.provisoire_until)",
        "return self.status is ExportStatus.READY",
        ("test_what_cannot_be_posted_is_not_done", "test_what_cannot_be_used_is_not_called_ready"),
    ),
    Mutant(
        "protected-address-printed",
        "adresse=ADRESSE_MASQUEE if personne.is_protegee else personne.adresse,",
        "adresse=personne.adresse,",
        ("test_the_address_of_a_protected_person_is_masked",),
    ),
    Mutant(
        "whole-motif-posted",
        "if self.edition is Edition.COMMISSION and mouvement.motif:",
        "if mouvement.motif:",
        ("test_a_posted_tableau_prints_the_category_of_the_motif_only", "test_a_full_motif_is_never_posted"),
    ),
    Mutant(
        "elector-left-out-in-silence",
        "if found != len(batch):",
        "if False:",
        ("test_an_elector_who_vanishes_while_the_tableau_is_drawn_is_not_left_out_in_silence",),
    ),
    Mutant(
        "bilan-from-now",
        "avant = bureau.electeurs + corrections.get(bureau.code, 0)",
        "avant = bureau.electeurs",
        ("test_from_revision_to_revision_once_they_are_applied", "test_the_last_tableau_leaves_the_list_of_now"),
    ),
    Mutant(
        "bureau-lost",
        'others = [BureauElecteurs(code, "", 0) for code in {*by_bureau, *corrections} - {*known}]',
        "others = list[BureauElecteurs]()",
        ("test_bureaux_are_in_the_order_of_their_numbers_and_none_is_lost",),
    ),
    Mutant(
        "fewer-than-none",
        "if min(one.bilan.avant, one.bilan.apres) < 0)",
        "if min(one.bilan.avant, one.bilan.apres) < -1_000_000)",
        ("test_no_bureau_has_fewer_electors_than_none_in_silence",),
    ),
    Mutant(
        "provisional-unsaid",
        "return self.effective_on > self.jour",
        "return False",
        ("test_it_is_provisional_until_its_date",),
    ),
    Mutant(
        "commission-copy-unmarked",
        'mention=MENTION_COMMISSION if demande.edition is Edition.COMMISSION else "",',
        'mention="",',
        ("test_only_the_commission_s_copy_says_that_it_is_not_to_be_posted",),
    ),
    Mutant(
        "change-of-bureau-counted-twice",
        "(commune.retranchements if one.arrives_in is None else commune.additions).add(one)",
        "(commune.additions if one.leaves is None else commune.retranchements).add(one)",
        ("test_in_the_commune_a_change_of_bureau_is_neutral",),
    ),
    Mutant(
        "meeting-too-early",
        "return days_before(scrutin, 24), days_before(scrutin, 21)",
        "return days_before(scrutin, 25), days_before(scrutin, 21)",
        ("test_the_commission_meets_between_the_24th_and_the_21st_day",),
    ),
    Mutant(
        "closing-on-the-28th",
        "return date(year, 3, 1) - timedelta(days=1)",
        "return date(year, 2, 28)",
        ("test_the_list_is_closed_on_the_last_day_of_february",),
    ),
    Mutant(
        "meeting-after-the-last-day",
        "if not missing and Repere.REUNION in self.reperes and self.required(Repere.REUNION) >= self.last_day:",
        "if False:",
        ("test_a_meeting_after_the_last_day_is_refused",),
    ),
    Mutant(
        "meeting-of-the-poll-taken-for-the-one-before",
        "if asked.reunion and asked.scrutin and not until and meeting_before(asked.scrutin, [asked.reunion]):",
        "if False:",
        ("test_the_meeting_of_the_poll_is_not_taken_for_the_one_before",),
    ),
    Mutant(
        "meeting-that-nobody-declared",
        "commission=until if until in calendrier.reunions else None,",
        "commission=until,",
        ("test_a_last_day_is_a_meeting_where_somebody_declared_one",),
    ),
    Mutant(
        "article-that-nobody-described",
        "if unknown := {(number, regime) for number, _ in citations} - _KNOWN:",
        "if unknown := set():",
        ("test_an_article_that_nobody_described_is_not_printed",),
    ),
    Mutant(
        "mouvement-in-two-tableaux",
        "or demande.required(Repere.REUNION) < mouvement.date_mouvement <= demande.last_day",
        "or demande.required(Repere.REUNION) <= mouvement.date_mouvement <= demande.last_day",
        ("test_since_2019_a_tableau_goes_from_meeting_to_meeting",),
    ),
    Mutant(
        "double-unseen",
        "homonyms.add(key, mouvement.id)",
        "pass",
        ("test_an_elector_twice_is_reported_each_time_and_never_merged",),
    ),
]

PAPER = [
    Mutant(
        "text-too-small-for-a-wall",
        "body=Style(regular, 9, 11)",
        "body=Style(regular, 7.5, 9)",
        ("test_text_is_as_large_as_a_wall_wants_it",),
    ),
    Mutant(
        "titles-without-their-scope",
        '_SCOPE = "TH/A<</O/Table/Scope/{}>>"',
        '_SCOPE = "TH/T({})"',
        ("test_every_value_is_heard_whole_in_order_and_no_title_twice",),
    ),
    Mutant(
        "line-alone-above-signatures",
        "_TOGETHER = 2",
        "_TOGETHER = 1",
        ("test_what_is_signed_or_added_up_is_on_the_page_of_a_line",),
    ),
    Mutant(
        "characters-that-do-not-extract",
        "stream.content = _to_unicode(subsets.pop(0))",
        "pass",
        ("test_a_letter_that_the_font_lacks_is_marked_and_extracts_as_itself",),
    ),
    Mutant(
        "file-dated-by-a-clock",
        "document.info = _Info()",
        "pass",
        ("test_no_date_comes_from_the_clock",),
    ),
]

MUTANTS = [
    *MESSAGING,
    *PUBLISHER,
    *INGEST,
    *LEASE,
    *STORAGE,
    *LISTS,
    *PRIVACY,
    *PURGE,
    *NOTIFIER,
    *SCREEN,
    *IMPORT,
    *DATABASE,
    *TABLEAUX,
    *PAPER,
]
