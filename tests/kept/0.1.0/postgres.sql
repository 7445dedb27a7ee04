--
-- PostgreSQL database dump
--


-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: clearance; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA clearance;


--
-- Name: clearance_queue; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA clearance_queue;


--
-- Name: approval; Type: TYPE; Schema: clearance; Owner: -
--

CREATE TYPE clearance.approval AS (
	number integer,
	state text,
	digest text,
	opened_at bigint,
	expires_at bigint,
	differences text,
	ruling text,
	superseded_by text
);


--
-- Name: hold; Type: TYPE; Schema: clearance; Owner: -
--

CREATE TYPE clearance.hold AS (
	day text,
	state text,
	claims text
);


--
-- Name: admission; Type: TYPE; Schema: clearance; Owner: -
--

CREATE TYPE clearance.admission AS (
	action_intent_id text,
	account_id text,
	action_type text,
	status text,
	approval_source text,
	due_at bigint,
	settings_version integer,
	everywhere_version integer,
	proposed_by text,
	trace_id text,
	salt text,
	fingerprint text,
	content text,
	entry_from integer,
	entry_bytes integer,
	at bigint,
	transition_id uuid,
	hold clearance.hold,
	buckets text[],
	amounts bigint[],
	limits bigint[],
	approval clearance.approval
);


--
-- Name: attempt; Type: TYPE; Schema: clearance; Owner: -
--

CREATE TYPE clearance.attempt AS (
	number integer,
	worker text,
	lease_until bigint,
	idempotency_key text,
	started_at bigint
);


--
-- Name: outcome; Type: TYPE; Schema: clearance; Owner: -
--

CREATE TYPE clearance.outcome AS (
	status text,
	sentence text,
	result text,
	result_bytes bigint,
	result_truncated boolean,
	error text,
	approval_source text,
	auto_executed boolean
);


SET default_tablespace = '';

--
-- Name: intent; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.intent (
    intent_no bigint NOT NULL,
    created_at bigint NOT NULL,
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    action_intent_id text NOT NULL COLLATE pg_catalog."C",
    action_type text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    revision integer NOT NULL,
    "position" bigint NOT NULL,
    decision_position bigint NOT NULL,
    approval_source text,
    due_at bigint,
    proposed_by text NOT NULL,
    trace_id text,
    salt bytea NOT NULL,
    fingerprint bytea NOT NULL,
    content text NOT NULL,
    changed_at bigint NOT NULL,
    transition_id uuid NOT NULL,
    hold clearance.hold,
    approval clearance.approval,
    attempt clearance.attempt,
    outcome clearance.outcome
)
PARTITION BY RANGE (created_at);


SET default_table_access_method = heap;

--
-- Name: ledger; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.ledger (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    intent_no bigint,
    body bytea NOT NULL
)
WITH (toast_tuple_target='8160');


--
-- Name: intent_record; Type: VIEW; Schema: clearance; Owner: -
--

CREATE VIEW clearance.intent_record WITH (security_invoker='true') AS
 SELECT i.tenant_id,
    i.account_id,
    i.action_intent_id,
    i.action_type,
    i.status,
    i.revision,
    i."position",
    i.approval_source,
    i.proposed_by,
    i.trace_id,
    i.salt,
    i.fingerprint,
    i.content,
    i.created_at,
    i.changed_at,
    d.body,
    (i.hold).day AS hold_day,
    (i.hold).state AS hold_state,
    (i.hold).claims AS claims,
    (i.approval).number AS approval_number,
    (i.approval).state AS approval_state,
    (i.approval).digest AS digest,
    (i.approval).opened_at AS opened_at,
    (i.approval).expires_at AS expires_at,
    (i.approval).differences AS differences,
    (i.approval).ruling AS ruling,
    (i.approval).superseded_by AS superseded_by,
    (i.attempt).number AS attempt_number,
    (i.attempt).worker AS worker,
    (i.attempt).lease_until AS lease_until,
    (i.attempt).idempotency_key AS idempotency_key,
    (i.attempt).started_at AS started_at,
    (i.outcome).status AS outcome_status,
    (i.outcome).sentence AS sentence,
    (i.outcome).result AS result,
    (i.outcome).result_bytes AS result_bytes,
    (i.outcome).result_truncated AS result_truncated,
    (i.outcome).error AS error,
    i.intent_no,
    i.due_at
   FROM (clearance.intent i
     JOIN clearance.ledger d ON (((d.tenant_id = i.tenant_id) AND (d."position" = i.decision_position))));


--
-- Name: answer; Type: TYPE; Schema: clearance; Owner: -
--

CREATE TYPE clearance.answer AS (
	unit integer,
	answer text,
	entries integer,
	admitted bigint,
	used text,
	record clearance.intent_record
);


--
-- Name: change; Type: TYPE; Schema: clearance; Owner: -
--

CREATE TYPE clearance.change AS (
	action_intent_id text,
	revision integer,
	status text,
	entry_from integer,
	entry_bytes integer,
	at bigint,
	transition_id uuid,
	approval_source text,
	due_at bigint,
	settings_version integer,
	everywhere_version integer,
	hold_state text,
	decided boolean,
	approval clearance.approval,
	attempt clearance.attempt,
	outcome clearance.outcome,
	superseded_by clearance.admission
);


--
-- Name: head; Type: TYPE; Schema: clearance; Owner: -
--

CREATE TYPE clearance.head AS (
	settings_version integer,
	everywhere_version integer,
	ledger_size bigint
);


--
-- Name: procrastinate_job_event_type; Type: TYPE; Schema: clearance_queue; Owner: -
--

CREATE TYPE clearance_queue.procrastinate_job_event_type AS ENUM (
    'deferred',
    'started',
    'deferred_for_retry',
    'failed',
    'succeeded',
    'cancelled',
    'abort_requested',
    'aborted',
    'scheduled',
    'retried'
);


--
-- Name: procrastinate_job_status; Type: TYPE; Schema: clearance_queue; Owner: -
--

CREATE TYPE clearance_queue.procrastinate_job_status AS ENUM (
    'todo',
    'doing',
    'succeeded',
    'failed',
    'cancelled',
    'aborting',
    'aborted'
);


--
-- Name: procrastinate_job_to_defer_v1; Type: TYPE; Schema: clearance_queue; Owner: -
--

CREATE TYPE clearance_queue.procrastinate_job_to_defer_v1 AS (
	queue_name character varying,
	task_name character varying,
	priority integer,
	lock text,
	queueing_lock text,
	args jsonb,
	scheduled_at timestamp with time zone
);


--
-- Name: add_api_key(text, text, text, text, bytea, bigint, bytea); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.add_api_key(p_tenant_id text, p_key_id text, p_name text, p_role text, p_key_hash bytea, p_created_at bigint, p_entry bytea) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'clearance', 'pg_temp'
    AS $$
DECLARE
  v_head head := lock_tenant(p_tenant_id);
BEGIN
  IF EXISTS (SELECT FROM api_key k WHERE k.key_id = p_key_id AND k.key_hash = p_key_hash AND k.revoked_at IS NULL
      AND (k.tenant_id, k.name, k.role) = (p_tenant_id, p_name, p_role)) THEN
    RETURN;  -- asked again after a lost connection: every credential has an id of its own
  END IF;
  INSERT INTO api_key (key_id, tenant_id, name, role, key_hash, created_at)
    VALUES (p_key_id, p_tenant_id, p_name, p_role, p_key_hash, p_created_at);
  PERFORM append_to_tenant(p_tenant_id, v_head, p_entry);
END $$;


--
-- Name: admit(text, clearance.head, clearance.admission, bytea); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.admit(p_tenant_id text, p_head clearance.head, a clearance.admission, p_entries bytea) RETURNS clearance.answer
    LANGUAGE plpgsql
    AS $$
DECLARE
  v_answer answer;
  v_key intent_key;
  v_intent_no bigint;
  v_position bigint := p_head.ledger_size + 1;
BEGIN
  SELECT * INTO v_key FROM intent_key k WHERE k.tenant_id = p_tenant_id AND k.action_intent_id = a.action_intent_id;
  IF FOUND THEN
    IF v_key.transition_id = a.transition_id THEN
      RETURN ROW(0, 'ADMITTED', 0, v_key."position", NULL, NULL)::answer;
    END IF;
    v_answer := ROW(0, 'KNOWN', 0, NULL, NULL, record_of(p_tenant_id, a.action_intent_id))::answer;
    IF (v_answer.record).tenant_id IS NULL THEN
      v_answer.answer := 'AGED_OUT';
    END IF;
    RETURN v_answer;
  END IF;
  IF (a.settings_version, a.everywhere_version) <> (p_head.settings_version, p_head.everywhere_version) THEN
    RETURN ROW(0, 'SETTINGS_MOVED', 0, NULL, NULL, NULL)::answer;
  END IF;
  IF a.buckets IS NOT NULL THEN
    IF EXISTS (
      SELECT FROM unnest(a.buckets, a.amounts, a.limits) AS c (bucket, amount, ceiling) WHERE c.amount + coalesce((
        SELECT b.used FROM budget_use b WHERE b.tenant_id = p_tenant_id AND b.account_id = a.account_id
          AND b.day = (a.hold).day AND b.bucket = c.bucket
      ), 0) > c.ceiling
    ) THEN
      RETURN ROW(0, 'BUDGET_SPENT', 0, NULL, (
        SELECT coalesce(jsonb_object_agg(b.bucket, b.used), '{}')::text FROM budget_use b
        WHERE b.tenant_id = p_tenant_id AND b.account_id = a.account_id AND b.day = (a.hold).day
      ), NULL)::answer;
    END IF;
    INSERT INTO budget_use AS b (tenant_id, account_id, day, bucket, used)
      SELECT p_tenant_id, a.account_id, (a.hold).day, c.bucket, c.amount FROM unnest(a.buckets, a.amounts) AS c (bucket, amount)
      ON CONFLICT (tenant_id, account_id, day, bucket) DO UPDATE SET used = b.used + excluded.used;
  END IF;
  v_intent_no := nextval('intent_number');
  INSERT INTO intent_key (tenant_id, action_intent_id, intent_no, created_at, "position", transition_id)
    VALUES (p_tenant_id, a.action_intent_id, v_intent_no, a.at, v_position, a.transition_id);
  PERFORM append(p_tenant_id, v_position, v_intent_no, substr(p_entries, a.entry_from, a.entry_bytes));
  INSERT INTO intent (intent_no, created_at, tenant_id, account_id, action_intent_id, action_type, status, revision, "position",
      decision_position, approval_source, due_at, proposed_by, trace_id, salt, fingerprint, content, changed_at, transition_id,
      hold, approval)
    VALUES (v_intent_no, a.at, p_tenant_id, a.account_id, a.action_intent_id, a.action_type, a.status, 1, v_position,
      v_position, a.approval_source, a.due_at, a.proposed_by, a.trace_id, decode(a.salt, 'hex'), decode(a.fingerprint, 'hex'),
      a.content, a.at, a.transition_id, a.hold, a.approval);
  RETURN ROW(0, 'ADMITTED', 1, v_position, NULL, NULL)::answer;
END $$;


--
-- Name: admit_together(text, clearance.head, jsonb, bytea); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.admit_together(p_tenant_id text, p_head clearance.head, p_units jsonb, p_entries bytea) RETURNS SETOF clearance.answer
    LANGUAGE plpgsql
    AS $$
DECLARE
  v_all admission[];
  v_units int[];
  v_intent_nos bigint[];
BEGIN
  SELECT array_agg(f.a ORDER BY f.unit), array_agg(f.unit ORDER BY f.unit) INTO v_all, v_units FROM (
    SELECT DISTINCT ON (a.action_intent_id) u.ordinality - 1 AS unit, a
    FROM jsonb_array_elements(p_units) WITH ORDINALITY u, jsonb_populate_record(NULL::admission, u.value) a
    WHERE NOT u.value ? 'revision' AND a.settings_version = p_head.settings_version
      AND a.everywhere_version = p_head.everywhere_version
    ORDER BY a.action_intent_id, u.ordinality
  ) f WHERE (
    SELECT k.intent_no FROM intent_key k WHERE k.tenant_id = p_tenant_id AND k.action_intent_id = (f.a).action_intent_id
  ) IS NULL;
  IF v_all IS NULL OR EXISTS (
    SELECT FROM (
      SELECT a.account_id, (a.hold).day, c.bucket, sum(c.amount)::bigint AS amount, min(c.ceiling) AS ceiling
      FROM unnest(v_all) a, unnest(a.buckets, a.amounts, a.limits) AS c (bucket, amount, ceiling) GROUP BY 1, 2, 3
    ) w WHERE w.amount + coalesce((
      SELECT b.used FROM budget_use b WHERE b.tenant_id = p_tenant_id AND b.account_id = w.account_id AND b.day = w.day
        AND b.bucket = w.bucket
    ), 0) > w.ceiling
  ) THEN
    RETURN;
  END IF;
  v_intent_nos := ARRAY(SELECT nextval('intent_number') FROM generate_series(1, cardinality(v_all)));
  INSERT INTO budget_use AS b (tenant_id, account_id, day, bucket, used)
    SELECT p_tenant_id, a.account_id, (a.hold).day, c.bucket, sum(c.amount)::bigint
    FROM unnest(v_all) a, unnest(a.buckets, a.amounts) AS c (bucket, amount) GROUP BY 2, 3, 4
    ON CONFLICT (tenant_id, account_id, day, bucket) DO UPDATE SET used = b.used + excluded.used;
  INSERT INTO intent_key (tenant_id, action_intent_id, intent_no, created_at, "position", transition_id)
    SELECT p_tenant_id, a.action_intent_id, v_intent_nos[a.ordinality], a.at, p_head.ledger_size + a.ordinality, a.transition_id
    FROM unnest(v_all) WITH ORDINALITY a;
  INSERT INTO ledger (tenant_id, "position", intent_no, body)
    SELECT p_tenant_id, p_head.ledger_size + a.ordinality, v_intent_nos[a.ordinality],
      substr(p_entries, a.entry_from, a.entry_bytes)
    FROM unnest(v_all) WITH ORDINALITY a;
  INSERT INTO intent (intent_no, created_at, tenant_id, account_id, action_intent_id, action_type, status, revision, "position",
      decision_position, approval_source, due_at, proposed_by, trace_id, salt, fingerprint, content, changed_at, transition_id,
      hold, approval)
    SELECT v_intent_nos[a.ordinality], a.at, p_tenant_id, a.account_id, a.action_intent_id, a.action_type, a.status, 1,
      p_head.ledger_size + a.ordinality, p_head.ledger_size + a.ordinality, a.approval_source, a.due_at, a.proposed_by,
      a.trace_id, decode(a.salt, 'hex'), decode(a.fingerprint, 'hex'), a.content, a.at, a.transition_id, a.hold, a.approval
    FROM unnest(v_all) WITH ORDINALITY a;
  RETURN QUERY SELECT v_units[n], 'ADMITTED', 1, p_head.ledger_size + n, NULL::text, NULL::intent_record
    FROM generate_series(1, cardinality(v_all)) n;
END $$;


--
-- Name: advance(text, clearance.head, clearance.change, bytea); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.advance(p_tenant_id text, p_head clearance.head, c clearance.change, p_entries bytea) RETURNS clearance.answer
    LANGUAGE plpgsql
    AS $$
DECLARE
  v_answer answer;
  v_key intent_key;
  v_intent intent;
  v_position bigint := p_head.ledger_size + 1;
BEGIN
  SELECT * INTO v_key FROM intent_key k WHERE k.tenant_id = p_tenant_id AND k.action_intent_id = c.action_intent_id;
  SELECT * INTO v_intent FROM intent i WHERE i.intent_no = v_key.intent_no AND i.created_at = v_key.created_at;
  IF v_intent.transition_id = c.transition_id THEN
    RETURN ROW(0, 'APPLIED', 0, (SELECT k."position" FROM intent_key k WHERE k.transition_id = c.transition_id
      AND k.tenant_id = p_tenant_id AND k.action_intent_id = (c.superseded_by).action_intent_id), NULL,
      record_of(p_tenant_id, c.action_intent_id))::answer;
  END IF;
  IF v_intent.revision IS DISTINCT FROM c.revision THEN
    RETURN ROW(0, 'MOVED', 0, NULL, NULL, NULL)::answer;
  END IF;
  IF (c.settings_version, c.everywhere_version) <> (p_head.settings_version, p_head.everywhere_version) THEN
    RETURN ROW(0, 'SETTINGS_MOVED', 0, NULL, NULL, NULL)::answer;
  END IF;
  IF (c.superseded_by).action_intent_id IS NOT NULL THEN
    v_answer := admit(p_tenant_id, p_head, c.superseded_by, p_entries);
    IF v_answer.answer <> 'ADMITTED' THEN
      RETURN v_answer;
    END IF;
    v_position := v_position + v_answer.entries;
  END IF;
  PERFORM append(p_tenant_id, v_position, v_intent.intent_no, substr(p_entries, c.entry_from, c.entry_bytes));
  IF c.hold_state = 'RELEASED' AND (v_intent.hold).state <> 'RELEASED' THEN
    PERFORM release(p_tenant_id, v_intent.account_id, v_intent.hold);
  END IF;
  IF c.hold_state IS NOT NULL THEN
    v_intent.hold.state := c.hold_state;
  END IF;
  IF (c.outcome).status IS NOT NULL AND (v_intent.outcome).status IS NOT NULL THEN
    -- What a person said of an unknown outcome; what the world answered stays as it was.
    v_intent.outcome.status := (c.outcome).status;
    v_intent.outcome.sentence := (c.outcome).sentence;
  ELSIF (c.outcome).status IS NOT NULL THEN
    v_intent.outcome := c.outcome;
  END IF;
  UPDATE intent i SET
    status = c.status, revision = c.revision + 1, "position" = v_position, changed_at = c.at, due_at = c.due_at,
    approval_source = c.approval_source, transition_id = c.transition_id,
    decision_position = CASE WHEN c.decided THEN v_position ELSE i.decision_position END,
    approval = CASE WHEN (c.approval).number IS NULL THEN i.approval ELSE c.approval END,
    attempt = CASE WHEN (c.attempt).number IS NULL THEN i.attempt ELSE c.attempt END,
    hold = v_intent.hold, outcome = v_intent.outcome
  WHERE i.intent_no = v_intent.intent_no AND i.created_at = v_intent.created_at;
  RETURN ROW(0, 'APPLIED', v_position - p_head.ledger_size, v_answer.admitted, NULL,
    record_of(p_tenant_id, c.action_intent_id))::answer;
END $$;


--
-- Name: append(text, bigint, bigint, bytea); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.append(p_tenant_id text, p_position bigint, p_intent_no bigint, p_entry bytea) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO ledger (tenant_id, "position", intent_no, body) VALUES (p_tenant_id, p_position, p_intent_no, p_entry);
END $$;


--
-- Name: append_to_tenant(text, clearance.head, bytea); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.append_to_tenant(p_tenant_id text, p_head clearance.head, p_entry bytea) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM append(p_tenant_id, p_head.ledger_size + 1, NULL, p_entry);
  UPDATE tenant SET ledger_size = p_head.ledger_size + 1 WHERE tenant_id = p_tenant_id;
END $$;


--
-- Name: configure(text, integer, text, bigint, bytea); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.configure(p_tenant_id text, p_version integer, p_document text, p_at bigint, p_entry bytea) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'clearance', 'pg_temp'
    AS $$
DECLARE
  v_head head := lock_tenant(p_tenant_id);
BEGIN
  IF v_head.settings_version <> p_version THEN
    RETURN false;
  END IF;
  INSERT INTO settings (tenant_id, version, document, at) VALUES (p_tenant_id, p_version + 1, p_document, p_at);
  UPDATE tenant SET settings_version = p_version + 1 WHERE tenant_id = p_tenant_id;
  PERFORM append_to_tenant(p_tenant_id, v_head, p_entry);
  RETURN true;
END $$;


--
-- Name: lock_tenant(text); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.lock_tenant(p_tenant_id text) RETURNS clearance.head
    LANGUAGE plpgsql
    AS $$
DECLARE
  v_head head;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    -- Each statement must see what was committed before the lock was given, not before the transaction began.
    RAISE EXCEPTION 'transitions need the isolation level read committed' USING ERRCODE = 'invalid_transaction_state';
  END IF;
  PERFORM set_config('clearance.tenant', p_tenant_id, true);
  IF p_tenant_id = '*' THEN
    PERFORM pg_advisory_xact_lock(4848484801);
  ELSE
    PERFORM pg_advisory_xact_lock_shared(4848484801);
  END IF;
  SELECT settings_version, 0, ledger_size INTO v_head FROM tenant WHERE tenant_id = p_tenant_id FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO tenant (tenant_id) VALUES (p_tenant_id) ON CONFLICT DO NOTHING;
    SELECT settings_version, 0, ledger_size INTO STRICT v_head FROM tenant WHERE tenant_id = p_tenant_id FOR UPDATE;
  END IF;
  SELECT settings_version INTO STRICT v_head.everywhere_version FROM tenant WHERE tenant_id = '*';
  RETURN v_head;
END $$;


--
-- Name: make_months(bigint); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.make_months(p_at bigint) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'clearance', 'pg_temp'
    SET lock_timeout TO '2s'
    AS $$
DECLARE
  v_month timestamp := date_trunc('month', to_timestamp(p_at / 1000.0) AT TIME ZONE 'UTC');
  v_begin timestamp;
  v_name text;
  v_made int := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(4848484802);
  FOR v_ahead IN 0..2 LOOP
    v_begin := v_month + make_interval(months => v_ahead);
    v_name := 'intent_' || to_char(v_begin, 'YYYY_MM');
    CONTINUE WHEN to_regclass('clearance.' || v_name) IS NOT NULL;
    CONTINUE WHEN EXISTS (SELECT FROM intent_elsewhen WHERE created_at >= extract(epoch FROM v_begin) * 1000
      AND created_at < extract(epoch FROM v_begin + interval '1 month') * 1000);
    EXECUTE format('CREATE TABLE clearance.%I PARTITION OF clearance.intent FOR VALUES FROM (%s) TO (%s)', v_name,
      (extract(epoch FROM v_begin) * 1000)::bigint, (extract(epoch FROM v_begin + interval '1 month') * 1000)::bigint);
    v_made := v_made + 1;
  END LOOP;
  RETURN v_made;
END $$;


--
-- Name: record_of(text, text); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.record_of(p_tenant_id text, p_action_intent_id text) RETURNS clearance.intent_record
    LANGUAGE sql STABLE
    AS $$
  SELECT r FROM intent_key k JOIN intent_record r ON r.intent_no = k.intent_no AND r.created_at = k.created_at
  WHERE k.tenant_id = p_tenant_id AND k.action_intent_id = p_action_intent_id
$$;


--
-- Name: refuse_change(); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;


--
-- Name: release(text, text, clearance.hold); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.release(p_tenant_id text, p_account_id text, p_hold clearance.hold) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  UPDATE budget_use b SET used = b.used - (c.claim ->> 1)::bigint
  FROM jsonb_array_elements((p_hold).claims::jsonb) AS c (claim)
  WHERE b.tenant_id = p_tenant_id AND b.account_id = p_account_id AND b.day = (p_hold).day AND b.bucket = c.claim ->> 0;
END $$;


--
-- Name: revoke_api_key(text, text, bigint, bytea); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.revoke_api_key(p_tenant_id text, p_key_id text, p_at bigint, p_entry bytea) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'clearance', 'pg_temp'
    AS $$
DECLARE
  v_head head := lock_tenant(p_tenant_id);
BEGIN
  UPDATE api_key SET revoked_at = p_at WHERE tenant_id = p_tenant_id AND key_id = p_key_id AND revoked_at IS NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  DELETE FROM page_session WHERE key_id = p_key_id;
  PERFORM append_to_tenant(p_tenant_id, v_head, p_entry);
  RETURN true;
END $$;


--
-- Name: transition(text, jsonb, bytea); Type: FUNCTION; Schema: clearance; Owner: -
--

CREATE FUNCTION clearance.transition(p_tenant_id text, p_units jsonb, p_entries bytea) RETURNS SETOF clearance.answer
    LANGUAGE plpgsql
    SET search_path TO 'clearance', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
DECLARE
  v_head head := lock_tenant(p_tenant_id);
  v_before bigint := v_head.ledger_size;
  v_unit jsonb;
  v_number int;
  v_answer answer;
  v_answered int[] := '{}';
BEGIN
  FOR v_answer IN SELECT t.* FROM admit_together(p_tenant_id, v_head, p_units, p_entries) t LOOP
    v_answered := v_answered || v_answer.unit;
    RETURN NEXT v_answer;
  END LOOP;
  v_head.ledger_size := v_head.ledger_size + cardinality(v_answered);
  FOR v_unit, v_number IN
    SELECT u.value, u.ordinality - 1 FROM jsonb_array_elements(p_units) WITH ORDINALITY u
    WHERE u.ordinality - 1 <> ALL (v_answered)
  LOOP
    IF v_unit ? 'revision' THEN
      v_answer := advance(p_tenant_id, v_head, jsonb_populate_record(NULL::change, v_unit), p_entries);
    ELSE
      v_answer := admit(p_tenant_id, v_head, jsonb_populate_record(NULL::admission, v_unit), p_entries);
    END IF;
    v_answer.unit := v_number;
    v_head.ledger_size := v_head.ledger_size + v_answer.entries;
    RETURN NEXT v_answer;
  END LOOP;
  IF v_head.ledger_size > v_before THEN
    UPDATE tenant SET ledger_size = v_head.ledger_size WHERE tenant_id = p_tenant_id;
  END IF;
END $$;


--
-- Name: defer_hints(text[], text[], text[], integer[], boolean[]); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.defer_hints(_tenant_ids text[], _action_intent_ids text[], _lanes text[], _places integer[], _by_persons boolean[]) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'clearance_queue', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
    _added bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    WITH wanted AS (
        SELECT hint.*, CASE WHEN hint.by_person THEN 1 << 30 ELSE 0 END AS first
        FROM unnest(_tenant_ids, _action_intent_ids, _lanes, _places, _by_persons)
            WITH ORDINALITY AS hint (tenant_id, action_intent_id, lane, places, by_person, number)
        WHERE NOT EXISTS (
            SELECT FROM procrastinate_jobs AS job
            WHERE job.status = 'todo' AND job.queueing_lock = hint.tenant_id || '/' || hint.action_intent_id
        )
    ), served AS (
        SELECT kind.first, greatest(
            0,
            kind.first - (SELECT min(job.priority) FROM procrastinate_jobs AS job
                WHERE job.status = 'doing' AND (job.priority > 0) = (kind.first > 0)),
            kind.first - (SELECT job.priority FROM procrastinate_jobs AS job
                WHERE job.status = 'todo' AND job.priority > kind.first - (1 << 30) AND job.priority <= kind.first
                ORDER BY job.priority DESC, job.id LIMIT 1)
        ) AS turn
        FROM (SELECT DISTINCT wanted.first FROM wanted) AS kind
    ), latest AS (
        SELECT own.tenant_id, own.first, 1 + greatest(
            own.first - (SELECT min(job.priority) FROM procrastinate_jobs AS job
                WHERE job.status = 'doing' AND job.args ->> 'tenant_id' = own.tenant_id
                    AND (job.priority > 0) = (own.first > 0)),
            own.first - (SELECT job.priority FROM procrastinate_jobs AS job
                WHERE job.status = 'todo' AND job.args ->> 'tenant_id' = own.tenant_id
                    AND job.priority > own.first - (1 << 30) AND job.priority <= own.first
                ORDER BY job.args ->> 'tenant_id', job.priority LIMIT 1)
        ) AS next_turn
        FROM (SELECT DISTINCT wanted.tenant_id, wanted.first FROM wanted) AS own
    )
    INSERT INTO procrastinate_jobs (queue_name, task_name, priority, queueing_lock, args)
    SELECT
        wanted.lane,
        'carry_on',
        wanted.first - least(
            greatest(served.turn, latest.next_turn)
                + row_number() OVER (PARTITION BY wanted.tenant_id, wanted.first ORDER BY wanted.number) - 1,
            (1 << 30) - 1
        ),
        wanted.tenant_id || '/' || wanted.action_intent_id,
        jsonb_build_object(
            'tenant_id', wanted.tenant_id, 'action_intent_id', wanted.action_intent_id, 'places', wanted.places
        )
    FROM wanted JOIN served USING (first) JOIN latest USING (tenant_id, first)
    ORDER BY wanted.tenant_id, wanted.action_intent_id -- in one order everywhere: else two processes could wait for each other
    ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING;
    GET DIAGNOSTICS _added = ROW_COUNT;
    RETURN _added;
END;
$$;


--
-- Name: procrastinate_jobs; Type: TABLE; Schema: clearance_queue; Owner: -
--

CREATE TABLE clearance_queue.procrastinate_jobs (
    id bigint NOT NULL,
    queue_name character varying(128) NOT NULL,
    task_name character varying(128) NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    lock text,
    queueing_lock text,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    status clearance_queue.procrastinate_job_status DEFAULT 'todo'::clearance_queue.procrastinate_job_status NOT NULL,
    scheduled_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    abort_requested boolean DEFAULT false NOT NULL,
    worker_id bigint,
    CONSTRAINT check_not_todo_abort_requested CHECK ((NOT ((status = 'todo'::clearance_queue.procrastinate_job_status) AND (abort_requested = true))))
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000');


--
-- Name: fetch_next(bigint); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.fetch_next(_worker_id bigint) RETURNS SETOF clearance_queue.procrastinate_jobs
    LANGUAGE plpgsql
    SET search_path TO 'clearance_queue', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
    _taken jsonb;
    _id bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(hashtext('clearance_queue'), 1);
    SELECT coalesce(jsonb_object_agg(lane.queue_name, lane.taken), '{}') INTO _taken
    FROM (
        SELECT job.queue_name, count(*) AS taken FROM procrastinate_jobs AS job
        WHERE job.status = 'doing' GROUP BY job.queue_name
    ) AS lane;
    SELECT front.id INTO _id
    FROM (
        SELECT job.id, job.queue_name, job.args, job.priority FROM procrastinate_jobs AS job
        WHERE job.status = 'todo' ORDER BY job.priority DESC, job.id LIMIT 100
    ) AS front
    WHERE coalesce((_taken ->> front.queue_name)::integer, 0) < (front.args ->> 'places')::integer
    ORDER BY front.priority DESC, front.id LIMIT 1;
    IF _id IS NULL THEN
        WITH RECURSIVE head AS (
            (
                SELECT job.id, job.queue_name, job.args, job.priority FROM procrastinate_jobs AS job
                WHERE job.status = 'todo' ORDER BY job.queue_name, job.priority DESC, job.id LIMIT 1
            )
            UNION ALL
            SELECT further.* FROM head, LATERAL (
                SELECT job.id, job.queue_name, job.args, job.priority FROM procrastinate_jobs AS job
                WHERE job.status = 'todo' AND job.queue_name > head.queue_name
                ORDER BY job.queue_name, job.priority DESC, job.id LIMIT 1
            ) AS further
        )
        SELECT head.id INTO _id FROM head
        WHERE coalesce((_taken ->> head.queue_name)::integer, 0) < (head.args ->> 'places')::integer
        ORDER BY head.priority DESC, head.id LIMIT 1;
    END IF;
    RETURN QUERY
    UPDATE procrastinate_jobs AS job SET status = 'doing', worker_id = _worker_id
    WHERE job.id = _id AND job.status = 'todo' RETURNING job.*;
END;
$$;


--
-- Name: finish(bigint, bigint); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.finish(_job_id bigint, _worker_id bigint) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'clearance_queue', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
DECLARE
    _lane text;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    DELETE FROM procrastinate_jobs WHERE id = _job_id AND status = 'doing' AND worker_id = _worker_id
    RETURNING queue_name INTO _lane;
    RETURN EXISTS (SELECT FROM procrastinate_jobs AS job WHERE job.status = 'todo' AND job.queue_name = _lane);
END;
$$;


--
-- Name: lead(text, double precision); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.lead(_worker text, _seconds double precision) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'clearance_queue', 'pg_temp'
    AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE sweeping SET worker = _worker, until = clock_timestamp() + make_interval(secs => _seconds)
    WHERE worker = _worker OR until < clock_timestamp();
    IF FOUND THEN
        RETURN true;
    END IF;
    INSERT INTO sweeping (worker, until) VALUES (_worker, clock_timestamp() + make_interval(secs => _seconds))
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END;
$$;


--
-- Name: procrastinate_cancel_job_v1(bigint, boolean, boolean); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_cancel_job_v1(job_id bigint, abort boolean, delete_job boolean) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status = 'todo'
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        IF abort THEN
            UPDATE procrastinate_jobs
            SET abort_requested = true,
                status = CASE status
                    WHEN 'todo' THEN 'cancelled'::procrastinate_job_status ELSE status
                END
            WHERE id = job_id AND status IN ('todo', 'doing')
            RETURNING id INTO _job_id;
        ELSE
            UPDATE procrastinate_jobs
            SET status = 'cancelled'::procrastinate_job_status
            WHERE id = job_id AND status = 'todo'
            RETURNING id INTO _job_id;
        END IF;
    END IF;
    RETURN _job_id;
END;
$$;


--
-- Name: procrastinate_defer_jobs_v1(clearance_queue.procrastinate_job_to_defer_v1[]); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_defer_jobs_v1(jobs clearance_queue.procrastinate_job_to_defer_v1[]) RETURNS bigint[]
    LANGUAGE plpgsql
    AS $$
DECLARE
    job_ids bigint[];
BEGIN
    WITH inserted_jobs AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
        SELECT (job).queue_name,
               (job).task_name,
               (job).priority,
               (job).lock,
               (job).queueing_lock,
               (job).args,
               (job).scheduled_at
        FROM unnest(jobs) AS job
        RETURNING id
    )
    SELECT array_agg(id) FROM inserted_jobs INTO job_ids;

    RETURN job_ids;
END;
$$;


--
-- Name: procrastinate_defer_periodic_job_v2(character varying, character varying, character varying, character varying, integer, character varying, bigint, jsonb); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_defer_periodic_job_v2(_queue_name character varying, _lock character varying, _queueing_lock character varying, _task_name character varying, _priority integer, _periodic_id character varying, _defer_timestamp bigint, _args jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
	_job_id bigint;
	_defer_id bigint;
BEGIN
    INSERT
        INTO procrastinate_periodic_defers (task_name, periodic_id, defer_timestamp)
        VALUES (_task_name, _periodic_id, _defer_timestamp)
        ON CONFLICT DO NOTHING
        RETURNING id into _defer_id;

    IF _defer_id IS NULL THEN
        RETURN NULL;
    END IF;

    UPDATE procrastinate_periodic_defers
        SET job_id = (
            SELECT COALESCE((
                SELECT unnest(procrastinate_defer_jobs_v1(
                    ARRAY[
                        ROW(
                            _queue_name,
                            _task_name,
                            _priority,
                            _lock,
                            _queueing_lock,
                            _args,
                            NULL::timestamptz
                        )
                    ]::procrastinate_job_to_defer_v1[]
                ))
            ), NULL)
        )
        WHERE id = _defer_id
        RETURNING job_id INTO _job_id;

    DELETE
        FROM procrastinate_periodic_defers
        USING (
            SELECT id
            FROM procrastinate_periodic_defers
            WHERE procrastinate_periodic_defers.task_name = _task_name
            AND procrastinate_periodic_defers.periodic_id = _periodic_id
            AND procrastinate_periodic_defers.defer_timestamp < _defer_timestamp
            ORDER BY id
            FOR UPDATE
        ) to_delete
        WHERE procrastinate_periodic_defers.id = to_delete.id;

    RETURN _job_id;
END;
$$;


--
-- Name: procrastinate_fetch_job_v2(character varying[], bigint); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_fetch_job_v2(target_queue_names character varying[], p_worker_id bigint) RETURNS clearance_queue.procrastinate_jobs
    LANGUAGE plpgsql
    AS $$
DECLARE
	found_jobs procrastinate_jobs;
BEGIN
    WITH candidate AS (
        SELECT jobs.*
            FROM procrastinate_jobs AS jobs
            WHERE
                -- reject the job if its lock has earlier or higher priority jobs
                NOT EXISTS (
                    SELECT 1
                        FROM procrastinate_jobs AS other_jobs
                        WHERE
                            jobs.lock IS NOT NULL
                            AND other_jobs.lock = jobs.lock
                            AND (
                                -- job with same lock is already running
                                other_jobs.status = 'doing'
                                OR
                                -- job with same lock is waiting and has higher priority (or same priority but was queued first)
                                (
                                    other_jobs.status = 'todo'
                                    AND (
                                        other_jobs.priority > jobs.priority
                                        OR (
                                        other_jobs.priority = jobs.priority
                                        AND other_jobs.id < jobs.id
                                        )
                                    )
                                )
                            )
                )
                AND jobs.status = 'todo'
                AND (target_queue_names IS NULL OR jobs.queue_name = ANY( target_queue_names ))
                AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
            ORDER BY jobs.priority DESC, jobs.id ASC LIMIT 1
            FOR UPDATE OF jobs SKIP LOCKED
    )
    UPDATE procrastinate_jobs
        SET status = 'doing', worker_id = p_worker_id
        FROM candidate
        WHERE procrastinate_jobs.id = candidate.id
        RETURNING procrastinate_jobs.* INTO found_jobs;

 RETURN found_jobs;
END;
$$;


--
-- Name: procrastinate_finish_job_v1(bigint, clearance_queue.procrastinate_job_status, boolean); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_finish_job_v1(job_id bigint, end_status clearance_queue.procrastinate_job_status, delete_job boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF end_status NOT IN ('succeeded', 'failed', 'aborted') THEN
        RAISE 'End status should be either "succeeded", "failed" or "aborted" (job id: %)', job_id;
    END IF;
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = end_status,
            abort_requested = false,
            attempts = CASE status
                WHEN 'doing' THEN attempts + 1 ELSE attempts
            END
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" or "todo" status (job id: %)', job_id;
    END IF;
END;
$$;


--
-- Name: procrastinate_notify_queue_abort_job_v1(); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_notify_queue_abort_job_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'abort_job_requested', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;


--
-- Name: procrastinate_notify_queue_job_inserted_v1(); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_notify_queue_job_inserted_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;


--
-- Name: procrastinate_prune_stalled_workers_v1(double precision); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_prune_stalled_workers_v1(seconds_since_heartbeat double precision) RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    DELETE FROM procrastinate_workers
    WHERE last_heartbeat < NOW() - (seconds_since_heartbeat || 'SECOND')::INTERVAL
    RETURNING procrastinate_workers.id;
END;
$$;


--
-- Name: procrastinate_register_worker_v1(); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_register_worker_v1() RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    INSERT INTO procrastinate_workers DEFAULT VALUES
    RETURNING procrastinate_workers.id;
END;
$$;


--
-- Name: procrastinate_retry_job_v1(bigint, timestamp with time zone, integer, character varying, character varying); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_retry_job_v1(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
BEGIN
    SELECT abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status = 'doing'
    FOR UPDATE
    INTO _abort_requested;
    IF _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" status (job id: %)', job_id;
    END IF;
END;
$$;


--
-- Name: procrastinate_retry_job_v2(bigint, timestamp with time zone, integer, character varying, character varying); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_retry_job_v2(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
    _current_status procrastinate_job_status;
BEGIN
    SELECT status, abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status IN ('doing', 'failed')
    FOR UPDATE
    INTO _current_status, _abort_requested;
    IF _current_status = 'doing' AND _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status IN ('doing', 'failed')
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or has an invalid status to retry (job id: %)', job_id;
    END IF;

END;
$$;


--
-- Name: procrastinate_trigger_abort_requested_events_procedure_v1(); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_trigger_abort_requested_events_procedure_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'abort_requested'::procrastinate_job_event_type);
    RETURN NEW;
END;
$$;


--
-- Name: procrastinate_trigger_function_scheduled_events_v1(); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_trigger_function_scheduled_events_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type, at)
        VALUES (NEW.id, 'scheduled'::procrastinate_job_event_type, NEW.scheduled_at);

	RETURN NEW;
END;
$$;


--
-- Name: procrastinate_trigger_function_status_events_insert_v1(); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_trigger_function_status_events_insert_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'deferred'::procrastinate_job_event_type);
	RETURN NEW;
END;
$$;


--
-- Name: procrastinate_trigger_function_status_events_update_v1(); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_trigger_function_status_events_update_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    WITH t AS (
        SELECT CASE
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND NEW.status = 'doing'::procrastinate_job_status
                THEN 'started'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'deferred_for_retry'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'failed'::procrastinate_job_status
                THEN 'failed'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'succeeded'::procrastinate_job_status
                THEN 'succeeded'::procrastinate_job_event_type
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND (
                    NEW.status = 'cancelled'::procrastinate_job_status
                    OR NEW.status = 'failed'::procrastinate_job_status
                    OR NEW.status = 'succeeded'::procrastinate_job_status
                )
                THEN 'cancelled'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'aborted'::procrastinate_job_status
                THEN 'aborted'::procrastinate_job_event_type
            WHEN OLD.status = 'failed'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'retried'::procrastinate_job_event_type
            ELSE NULL
        END as event_type
    )
    INSERT INTO procrastinate_events(job_id, type)
        SELECT NEW.id, t.event_type
        FROM t
        WHERE t.event_type IS NOT NULL;
	RETURN NEW;
END;
$$;


--
-- Name: procrastinate_unlink_periodic_defers_v1(); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_unlink_periodic_defers_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_periodic_defers
    SET job_id = NULL
    WHERE job_id = OLD.id;
    RETURN OLD;
END;
$$;


--
-- Name: procrastinate_unregister_worker_v1(bigint); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_unregister_worker_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM procrastinate_workers
    WHERE id = worker_id;
END;
$$;


--
-- Name: procrastinate_update_heartbeat_v1(bigint); Type: FUNCTION; Schema: clearance_queue; Owner: -
--

CREATE FUNCTION clearance_queue.procrastinate_update_heartbeat_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_workers
    SET last_heartbeat = NOW()
    WHERE id = worker_id;
END;
$$;


--
-- Name: api_key; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.api_key (
    key_id text NOT NULL COLLATE pg_catalog."C",
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL,
    role text NOT NULL,
    key_hash bytea NOT NULL,
    created_at bigint NOT NULL,
    revoked_at bigint
);


--
-- Name: budget_use; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.budget_use (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    account_id text NOT NULL COLLATE pg_catalog."C",
    day text NOT NULL COLLATE pg_catalog."C",
    bucket text NOT NULL COLLATE pg_catalog."C",
    used bigint NOT NULL,
    CONSTRAINT budget_use_used_check CHECK ((used >= 0))
)
WITH (fillfactor='50');


--
-- Name: installation; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.installation (
    one integer NOT NULL,
    credential_salt bytea NOT NULL,
    CONSTRAINT installation_one_check CHECK ((one = 1))
);


--
-- Name: intent_2026_11; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.intent_2026_11 (
    intent_no bigint CONSTRAINT intent_intent_no_not_null NOT NULL,
    created_at bigint CONSTRAINT intent_created_at_not_null NOT NULL,
    tenant_id text CONSTRAINT intent_tenant_id_not_null NOT NULL COLLATE pg_catalog."C",
    account_id text CONSTRAINT intent_account_id_not_null NOT NULL COLLATE pg_catalog."C",
    action_intent_id text CONSTRAINT intent_action_intent_id_not_null NOT NULL COLLATE pg_catalog."C",
    action_type text CONSTRAINT intent_action_type_not_null NOT NULL COLLATE pg_catalog."C",
    status text CONSTRAINT intent_status_not_null NOT NULL COLLATE pg_catalog."C",
    revision integer CONSTRAINT intent_revision_not_null NOT NULL,
    "position" bigint CONSTRAINT intent_position_not_null NOT NULL,
    decision_position bigint CONSTRAINT intent_decision_position_not_null NOT NULL,
    approval_source text,
    due_at bigint,
    proposed_by text CONSTRAINT intent_proposed_by_not_null NOT NULL,
    trace_id text,
    salt bytea CONSTRAINT intent_salt_not_null NOT NULL,
    fingerprint bytea CONSTRAINT intent_fingerprint_not_null NOT NULL,
    content text CONSTRAINT intent_content_not_null NOT NULL,
    changed_at bigint CONSTRAINT intent_changed_at_not_null NOT NULL,
    transition_id uuid CONSTRAINT intent_transition_id_not_null NOT NULL,
    hold clearance.hold,
    approval clearance.approval,
    attempt clearance.attempt,
    outcome clearance.outcome
);


--
-- Name: intent_2026_12; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.intent_2026_12 (
    intent_no bigint CONSTRAINT intent_intent_no_not_null NOT NULL,
    created_at bigint CONSTRAINT intent_created_at_not_null NOT NULL,
    tenant_id text CONSTRAINT intent_tenant_id_not_null NOT NULL COLLATE pg_catalog."C",
    account_id text CONSTRAINT intent_account_id_not_null NOT NULL COLLATE pg_catalog."C",
    action_intent_id text CONSTRAINT intent_action_intent_id_not_null NOT NULL COLLATE pg_catalog."C",
    action_type text CONSTRAINT intent_action_type_not_null NOT NULL COLLATE pg_catalog."C",
    status text CONSTRAINT intent_status_not_null NOT NULL COLLATE pg_catalog."C",
    revision integer CONSTRAINT intent_revision_not_null NOT NULL,
    "position" bigint CONSTRAINT intent_position_not_null NOT NULL,
    decision_position bigint CONSTRAINT intent_decision_position_not_null NOT NULL,
    approval_source text,
    due_at bigint,
    proposed_by text CONSTRAINT intent_proposed_by_not_null NOT NULL,
    trace_id text,
    salt bytea CONSTRAINT intent_salt_not_null NOT NULL,
    fingerprint bytea CONSTRAINT intent_fingerprint_not_null NOT NULL,
    content text CONSTRAINT intent_content_not_null NOT NULL,
    changed_at bigint CONSTRAINT intent_changed_at_not_null NOT NULL,
    transition_id uuid CONSTRAINT intent_transition_id_not_null NOT NULL,
    hold clearance.hold,
    approval clearance.approval,
    attempt clearance.attempt,
    outcome clearance.outcome
);


--
-- Name: intent_2027_01; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.intent_2027_01 (
    intent_no bigint CONSTRAINT intent_intent_no_not_null NOT NULL,
    created_at bigint CONSTRAINT intent_created_at_not_null NOT NULL,
    tenant_id text CONSTRAINT intent_tenant_id_not_null NOT NULL COLLATE pg_catalog."C",
    account_id text CONSTRAINT intent_account_id_not_null NOT NULL COLLATE pg_catalog."C",
    action_intent_id text CONSTRAINT intent_action_intent_id_not_null NOT NULL COLLATE pg_catalog."C",
    action_type text CONSTRAINT intent_action_type_not_null NOT NULL COLLATE pg_catalog."C",
    status text CONSTRAINT intent_status_not_null NOT NULL COLLATE pg_catalog."C",
    revision integer CONSTRAINT intent_revision_not_null NOT NULL,
    "position" bigint CONSTRAINT intent_position_not_null NOT NULL,
    decision_position bigint CONSTRAINT intent_decision_position_not_null NOT NULL,
    approval_source text,
    due_at bigint,
    proposed_by text CONSTRAINT intent_proposed_by_not_null NOT NULL,
    trace_id text,
    salt bytea CONSTRAINT intent_salt_not_null NOT NULL,
    fingerprint bytea CONSTRAINT intent_fingerprint_not_null NOT NULL,
    content text CONSTRAINT intent_content_not_null NOT NULL,
    changed_at bigint CONSTRAINT intent_changed_at_not_null NOT NULL,
    transition_id uuid CONSTRAINT intent_transition_id_not_null NOT NULL,
    hold clearance.hold,
    approval clearance.approval,
    attempt clearance.attempt,
    outcome clearance.outcome
);


--
-- Name: intent_elsewhen; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.intent_elsewhen (
    intent_no bigint CONSTRAINT intent_intent_no_not_null NOT NULL,
    created_at bigint CONSTRAINT intent_created_at_not_null NOT NULL,
    tenant_id text CONSTRAINT intent_tenant_id_not_null NOT NULL COLLATE pg_catalog."C",
    account_id text CONSTRAINT intent_account_id_not_null NOT NULL COLLATE pg_catalog."C",
    action_intent_id text CONSTRAINT intent_action_intent_id_not_null NOT NULL COLLATE pg_catalog."C",
    action_type text CONSTRAINT intent_action_type_not_null NOT NULL COLLATE pg_catalog."C",
    status text CONSTRAINT intent_status_not_null NOT NULL COLLATE pg_catalog."C",
    revision integer CONSTRAINT intent_revision_not_null NOT NULL,
    "position" bigint CONSTRAINT intent_position_not_null NOT NULL,
    decision_position bigint CONSTRAINT intent_decision_position_not_null NOT NULL,
    approval_source text,
    due_at bigint,
    proposed_by text CONSTRAINT intent_proposed_by_not_null NOT NULL,
    trace_id text,
    salt bytea CONSTRAINT intent_salt_not_null NOT NULL,
    fingerprint bytea CONSTRAINT intent_fingerprint_not_null NOT NULL,
    content text CONSTRAINT intent_content_not_null NOT NULL,
    changed_at bigint CONSTRAINT intent_changed_at_not_null NOT NULL,
    transition_id uuid CONSTRAINT intent_transition_id_not_null NOT NULL,
    hold clearance.hold,
    approval clearance.approval,
    attempt clearance.attempt,
    outcome clearance.outcome
);


--
-- Name: intent_key; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.intent_key (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    action_intent_id text NOT NULL COLLATE pg_catalog."C",
    intent_no bigint NOT NULL,
    created_at bigint NOT NULL,
    "position" bigint NOT NULL,
    transition_id uuid NOT NULL
);


--
-- Name: intent_number; Type: SEQUENCE; Schema: clearance; Owner: -
--

CREATE SEQUENCE clearance.intent_number
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: migration; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.migration (
    number integer NOT NULL,
    name text NOT NULL,
    works_with integer NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: page_session; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.page_session (
    token_hash bytea NOT NULL,
    key_id text NOT NULL COLLATE pg_catalog."C",
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL
);


--
-- Name: settings; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.settings (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    version integer NOT NULL,
    document text NOT NULL,
    at bigint NOT NULL
);


--
-- Name: tenant; Type: TABLE; Schema: clearance; Owner: -
--

CREATE TABLE clearance.tenant (
    tenant_id text NOT NULL COLLATE pg_catalog."C",
    settings_version integer DEFAULT 0 NOT NULL,
    ledger_size bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');


--
-- Name: applied; Type: TABLE; Schema: clearance_queue; Owner: -
--

CREATE TABLE clearance_queue.applied (
    name text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: procrastinate_events; Type: TABLE; Schema: clearance_queue; Owner: -
--

CREATE TABLE clearance_queue.procrastinate_events (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    type clearance_queue.procrastinate_job_event_type,
    at timestamp with time zone DEFAULT now()
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='4000');


--
-- Name: procrastinate_events_id_seq; Type: SEQUENCE; Schema: clearance_queue; Owner: -
--

CREATE SEQUENCE clearance_queue.procrastinate_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: procrastinate_events_id_seq; Type: SEQUENCE OWNED BY; Schema: clearance_queue; Owner: -
--

ALTER SEQUENCE clearance_queue.procrastinate_events_id_seq OWNED BY clearance_queue.procrastinate_events.id;


--
-- Name: procrastinate_jobs_id_seq; Type: SEQUENCE; Schema: clearance_queue; Owner: -
--

CREATE SEQUENCE clearance_queue.procrastinate_jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: procrastinate_jobs_id_seq; Type: SEQUENCE OWNED BY; Schema: clearance_queue; Owner: -
--

ALTER SEQUENCE clearance_queue.procrastinate_jobs_id_seq OWNED BY clearance_queue.procrastinate_jobs.id;


--
-- Name: procrastinate_periodic_defers; Type: TABLE; Schema: clearance_queue; Owner: -
--

CREATE TABLE clearance_queue.procrastinate_periodic_defers (
    id bigint NOT NULL,
    task_name character varying(128) NOT NULL,
    defer_timestamp bigint,
    job_id bigint,
    periodic_id character varying(128) DEFAULT ''::character varying NOT NULL
);


--
-- Name: procrastinate_periodic_defers_id_seq; Type: SEQUENCE; Schema: clearance_queue; Owner: -
--

CREATE SEQUENCE clearance_queue.procrastinate_periodic_defers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: procrastinate_periodic_defers_id_seq; Type: SEQUENCE OWNED BY; Schema: clearance_queue; Owner: -
--

ALTER SEQUENCE clearance_queue.procrastinate_periodic_defers_id_seq OWNED BY clearance_queue.procrastinate_periodic_defers.id;


--
-- Name: procrastinate_workers; Type: TABLE; Schema: clearance_queue; Owner: -
--

CREATE TABLE clearance_queue.procrastinate_workers (
    id bigint NOT NULL,
    last_heartbeat timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: procrastinate_workers_id_seq; Type: SEQUENCE; Schema: clearance_queue; Owner: -
--

ALTER TABLE clearance_queue.procrastinate_workers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME clearance_queue.procrastinate_workers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: sweeping; Type: TABLE; Schema: clearance_queue; Owner: -
--

CREATE TABLE clearance_queue.sweeping (
    only_row boolean DEFAULT true NOT NULL,
    worker text NOT NULL,
    until timestamp with time zone NOT NULL,
    CONSTRAINT sweeping_only_row_check CHECK (only_row)
);


--
-- Name: intent_2026_11; Type: TABLE ATTACH; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.intent ATTACH PARTITION clearance.intent_2026_11 FOR VALUES FROM ('1793491200000') TO ('1796083200000');


--
-- Name: intent_2026_12; Type: TABLE ATTACH; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.intent ATTACH PARTITION clearance.intent_2026_12 FOR VALUES FROM ('1796083200000') TO ('1798761600000');


--
-- Name: intent_2027_01; Type: TABLE ATTACH; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.intent ATTACH PARTITION clearance.intent_2027_01 FOR VALUES FROM ('1798761600000') TO ('1801440000000');


--
-- Name: intent_elsewhen; Type: TABLE ATTACH; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.intent ATTACH PARTITION clearance.intent_elsewhen DEFAULT;


--
-- Name: procrastinate_events id; Type: DEFAULT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.procrastinate_events ALTER COLUMN id SET DEFAULT nextval('clearance_queue.procrastinate_events_id_seq'::regclass);


--
-- Name: procrastinate_jobs id; Type: DEFAULT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.procrastinate_jobs ALTER COLUMN id SET DEFAULT nextval('clearance_queue.procrastinate_jobs_id_seq'::regclass);


--
-- Name: procrastinate_periodic_defers id; Type: DEFAULT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.procrastinate_periodic_defers ALTER COLUMN id SET DEFAULT nextval('clearance_queue.procrastinate_periodic_defers_id_seq'::regclass);


--
-- Data for Name: api_key; Type: TABLE DATA; Schema: clearance; Owner: -
--

INSERT INTO clearance.api_key VALUES
	('01a22c541afa7719933184d265a7051f', 'northwind', 'owner', 'owner', '\x91ddfebe1efb1e1e34bd5abf5f0a6362d6bdd26e9282a0f109f93c96c6f7c70f', 1796040039162, NULL),
	('01a22c543ed772abb28c1e32c3ab134e', 'northwind', 'ada', 'agent', '\x91f398ac788da607983d70239a50c8e6df8d210b212a6e95cddab11d5442d99c', 1796040048343, NULL),
	('01a22c543f4a7fdc97f37931cbcf17ab', 'northwind', 'olga', 'approver', '\xa1c30c0c63019e4b0f49d843dde793229b75fad7c8000749ac6f56b20b07b4c0', 1796040048458, NULL),
	('01a22c543fbe7255b8eef417f90a6cf0', 'northwind', 'audrey', 'auditor', '\xebd2de8190b85a0d23af4fad68761c567a1119169cd89a953f1280a0bf28bafd', 1796040048574, NULL),
	('01a22c5440427bb79ff4551f34ba9656', 'northwind', 'former', 'agent', '\xb690e61ccc730a55705e5c3af40260cd2394c571e1d3479fc493ff9825d51a22', 1796040048706, 1796040048761);


--
-- Data for Name: budget_use; Type: TABLE DATA; Schema: clearance; Owner: -
--

INSERT INTO clearance.budget_use VALUES
	('northwind', 'acme', '2026-11-30', 'actions:CREATE_TASK', 1),
	('northwind', 'acme', '2026-11-30', 'amount:ISSUE_REFUND', 2000),
	('northwind', 'acme', '2026-11-30', 'actions:ISSUE_REFUND', 2),
	('northwind', 'acme', '2026-11-30', 'actions:SEND_MAIL', 2),
	('northwind', 'acme', '2026-11-30', 'actions', 5),
	('northwind', 'globex', '2026-11-30', 'actions:CREATE_TASK', 1),
	('northwind', 'globex', '2026-11-30', 'actions', 1);


--
-- Data for Name: installation; Type: TABLE DATA; Schema: clearance; Owner: -
--

INSERT INTO clearance.installation VALUES
	(1, '\xa946922022cb1b7fffd1d404ce46b358');


--
-- Data for Name: intent_2026_11; Type: TABLE DATA; Schema: clearance; Owner: -
--

INSERT INTO clearance.intent_2026_11 VALUES
	(1, 1796040048983, 'northwind', 'acme', 'waits-from-before-the-switch', 'CREATE_TASK', 'AWAITING_APPROVAL', 1, 9, 9, NULL, 1796299248983, 'ada', NULL, '\x5067a170aa404947d4cb436a49d6dbd9', '\x0c47403ff8438965f9ebe25a73ef5c82a80141bd85cf25cab21737dd3d489d21', '{"account_id":"acme","action_type":"CREATE_TASK","confidence_score":0.5,"edited_by":null,"expires_at":null,"parameters":{"title":"waits-from-before-the-switch"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040048983, 'fa7c30ec-7a71-6dd7-1d14-66f5e009af19', NULL, '(1,OPEN,sha256:8a78cfc083fbc486114159d752ad97c8f9920af958786b8d43fc8e837ca2cd8d,1796040048983,1796299248983,[],,)', NULL, NULL),
	(2, 1796040049148, 'northwind', 'acme', 'succeeded', 'CREATE_TASK', 'SUCCEEDED', 3, 13, 11, 'POLICY', NULL, 'ada', NULL, '\xe9c22aed52a326aab257c7310348b2f1', '\xfcafea4ff3d377e3210f33b98f0f3dcc6c594dafcef3fcc3309e7acebce059a6', '{"account_id":"acme","action_type":"CREATE_TASK","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"title":"succeeded"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040049382, '01f6ee40-0787-aa6b-bf27-70123f41ae61', '(2026-11-30,SETTLED,"[[""actions"", 1, 20], [""actions:CREATE_TASK"", 1, null]]")', NULL, '(1,worker-0017d96be081,1796040076241,ik_559aaeaf452fda8d46251ba8ccca31b06fa60e1b,1796040049241)', '(SUCCEEDED,"The tool answered.","{""done"": ""create_task""}",23,f,,POLICY,t)'),
	(3, 1796040049535, 'northwind', 'acme', 'failed', 'ISSUE_REFUND', 'FAILED', 3, 16, 14, 'POLICY', NULL, 'ada', NULL, '\xbab548215da7c8ba8207131383d5cc5b', '\x7bec2cc0beac9c479144e884a1a251a9c1dcb11935331d1c25e8df6975bae72e', '{"account_id":"acme","action_type":"ISSUE_REFUND","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"amount_minor":500,"order_id":"locked-1"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040049601, 'bcab7df4-6a1e-6d11-aa98-71254c808c4b', '(2026-11-30,SETTLED,"[[""actions"", 1, 20], [""actions:ISSUE_REFUND"", 1, null], [""amount:ISSUE_REFUND"", 500, 60000]]")', NULL, '(1,worker-0017d96be081,1796040076566,ik_22edd40bd80e68d94ca8edb4d6972e16523990bf,1796040049566)', '(FAILED,"The tool crm.issue_refund failed: locked",null,0,f,"{""error_class"": ""VALIDATION"", ""sentence"": ""The tool crm.issue_refund failed: locked"", ""sent"": ""ANSWERED"", ""code"": ""TOOL_ERROR"", ""retry_after_ms"": null}",POLICY,t)'),
	(4, 1796040049711, 'northwind', 'acme', 'unknown', 'SEND_MAIL', 'UNKNOWN', 3, 19, 17, 'POLICY', NULL, 'ada', NULL, '\xd382c816548a43123b1c49d140e49ee1', '\x367fb87581ddf0be2b220d5b6981038eb80603f70cb36999de82b245472ce470', '{"account_id":"acme","action_type":"SEND_MAIL","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"body":"Good morning.","subject":"unknown","to":"crash@example.com"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040049779, '1e908243-04ab-1ab5-f4da-636702dc0d17', '(2026-11-30,SETTLED,"[[""actions"", 1, 20], [""actions:SEND_MAIL"", 1, 2]]")', NULL, '(1,worker-0017d96be081,1796040076748,ik_ee499a8879acd92e9a750653eb135e901a5289c2,1796040049748)', '(UNKNOWN,"The connection to the tool server crm was lost before an answer came.",null,0,f,"{""error_class"": ""DOWNSTREAM"", ""sentence"": ""The connection to the tool server crm was lost before an answer came."", ""sent"": ""MAYBE"", ""code"": ""TOOL_ERROR"", ""retry_after_ms"": null}",POLICY,t)'),
	(5, 1796040049894, 'northwind', 'acme', 'blocked', 'ISSUE_REFUND', 'BLOCKED', 1, 20, 20, NULL, NULL, 'ada', NULL, '\xb8c56b6a59445e10a1a92e36aa0eb56e', '\x3f51d00e4384fecf676c16b4b7c9fa120937dd001611df26c678886bb1e00904', '{"account_id":"acme","action_type":"ISSUE_REFUND","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"amount_minor":200001,"order_id":"ORD-1"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040049894, 'b2529b80-f960-aa8f-5350-d6679c68a369', NULL, NULL, NULL, NULL),
	(6, 1796040049996, 'northwind', 'globex', 'blocked-by-mode', 'SEND_MAIL', 'BLOCKED', 1, 21, 21, NULL, NULL, 'ada', NULL, '\xd83e79b3b424c95348a9bff0b38ffda5', '\xc87e50368a165f53d8d74af320668f262e2440efa482c0716c486b57eecba593', '{"account_id":"globex","action_type":"SEND_MAIL","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"body":"Good morning.","subject":"blocked-by-mode","to":"ann@example.com"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040049996, '6f0f555d-894b-2c30-c42e-ee9f71eabc55', NULL, NULL, NULL, NULL),
	(7, 1796040050057, 'northwind', 'acme', 'expired', 'CREATE_TASK', 'EXPIRED', 2, 23, 22, NULL, NULL, 'ada', NULL, '\x35f22df9c4c8abdde5392ed7c04f9d81', '\x710d55d72aa61db84de6a57db7708a942eb8e1fc3d72c7af3aa6d14dfe781922', '{"account_id":"acme","action_type":"CREATE_TASK","confidence_score":0.5,"edited_by":null,"expires_at":"2026-11-30T12:00:52.007Z","parameters":{"title":"expired"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040052959, '2d7d17ef-1a3e-bf8f-53b7-59d289fd9def', NULL, '(1,EXPIRED,sha256:436c425bc1f42c91e42c8e0f28ce90b5517ff9535018f58e98e6ac7413b01d1f,1796040050057,1796040052007,[],,)', NULL, NULL),
	(9, 1796040053261, 'northwind', 'acme', 'rejected', 'CREATE_TASK', 'REJECTED', 2, 30, 25, NULL, NULL, 'ada', NULL, '\x801463c0f813f79a32fb5c13f607f95e', '\xd783df2fc3a6a78e6c083156f4c3969b5996615ca8bf03ba480b3259c4a60e5c', '{"account_id":"acme","action_type":"CREATE_TASK","confidence_score":0.5,"edited_by":null,"expires_at":null,"parameters":{"title":"rejected"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040053757, '221856bf-5281-1d22-d760-52c9c8c68149', NULL, '(1,REJECTED,sha256:dbc526c8269c63758c034b2b35ed91f6d55e023103b0c0cdc05c22659fe4edfe,1796040053261,1796299253261,[],"{""kind"": ""reject"", ""ruled_by"": ""olga"", ""reason"": ""Not this week."", ""ruled_at"": 1796040053757}",)', NULL, NULL),
	(12, 1796040053870, 'northwind', 'acme', '01a22c54546b73d891ccde45f989d50d', 'CREATE_TASK', 'AWAITING_APPROVAL', 1, 32, 32, NULL, 1796299253870, 'ada', NULL, '\xda1a7d7f61cfe406211de1ecc357770a', '\x581eddc51d3dfef124ecb706df625fd17d6a323b483589a8bbc0c7692374020d', '{"account_id":"acme","action_type":"CREATE_TASK","confidence_score":0.5,"edited_by":"olga","expires_at":null,"parameters":{"title":"edited by olga"},"risk_level":"LOW","supersedes":"edited","target":null,"why":["A customer asked."]}', 1796040053870, '9289585f-4b12-bfc2-3eb6-f65377a86c77', NULL, '(1,OPEN,sha256:a034fe8e6d700d0fef3fefee98679cbbfc0ab5fda989145c2dd44a7c145d7837,1796040053870,1796299253870,[],,)', NULL, NULL),
	(10, 1796040053341, 'northwind', 'acme', 'edited', 'CREATE_TASK', 'REJECTED', 2, 33, 26, NULL, NULL, 'ada', NULL, '\x2debe8138f98e725af1b1797ce9db1be', '\xeb8affff8065e0210da895ccdfb05828c91a54b825b1411e1354fe4cf9347886', '{"account_id":"acme","action_type":"CREATE_TASK","confidence_score":0.5,"edited_by":null,"expires_at":null,"parameters":{"title":"edited"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040053871, '9289585f-4b12-bfc2-3eb6-f65377a86c77', NULL, '(1,REJECTED,sha256:0376578facdd797b98f1e286068916f58f72f53e17c4cd4c2b395b57bbb246e7,1796040053341,1796299253341,[],"{""kind"": ""edit"", ""ruled_by"": ""olga"", ""reason"": null, ""ruled_at"": 1796040053871}",01a22c54546b73d891ccde45f989d50d)', NULL, NULL),
	(11, 1796040053428, 'northwind', 'acme', 'cancelled', 'CREATE_TASK', 'CANCELLED', 2, 34, 27, NULL, NULL, 'ada', NULL, '\x0e7caa3562a1976f57fcc6233c47e5d8', '\x1c12ac0cef5994897877218c1145e9afec816b21dbf9574e59b1f6a8f5af5e60', '{"account_id":"acme","action_type":"CREATE_TASK","confidence_score":0.5,"edited_by":null,"expires_at":null,"parameters":{"title":"cancelled"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040053925, '5d38e653-dfd9-0557-1ac0-64eb4e4c880f', NULL, '(1,WITHDRAWN,sha256:fe9ac2996b8ed4c0da06f50ff25cba5e4fe851e5e41be3ec8091e56069a09a8d,1796040053428,1796299253428,[],,)', NULL, NULL),
	(8, 1796040053168, 'northwind', 'acme', 'succeeded-by-ruling', 'CREATE_TASK', 'SUCCEEDED', 4, 31, 24, 'HUMAN', NULL, 'ada', NULL, '\xe5e0b8bfa5cca297ba2c0721111737f0', '\x595b9a442e3897b216fb6f20122f5d8130c62e6f73979419f16e07278331908a', '{"account_id":"acme","action_type":"CREATE_TASK","confidence_score":0.5,"edited_by":null,"expires_at":null,"parameters":{"title":"succeeded-by-ruling"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040053797, 'f75b0867-1aeb-0d83-ab66-683a747ac05a', NULL, '(1,APPROVED,sha256:4fb8d6aee829a0b67ce9ea8e428ddeff7f876986ae7cdbc4920a650ca5259d68,1796040053168,1796299253168,[],"{""kind"": ""approve"", ""ruled_by"": ""olga"", ""reason"": ""The customer waits."", ""ruled_at"": 1796040053639}",)', '(1,worker-0017d96be081,1796040080664,ik_1bb366a83e3b7d457939ec89c79a547ec87b4293,1796040053664)', '(SUCCEEDED,"The tool answered.","{""done"": ""create_task""}",23,f,,HUMAN,f)'),
	(13, 1796040054050, 'northwind', 'acme', 'running', 'ISSUE_REFUND', 'RUNNING', 2, 36, 35, 'POLICY', NULL, 'ada', NULL, '\xe481d647a1eda3e2f49774a60c33e015', '\xfd6fed2a15bb4c801c0133c445db80624e825dd4e13624299b6e097c169e0a82', '{"account_id":"acme","action_type":"ISSUE_REFUND","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"amount_minor":1500,"order_id":"hang-1"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040054092, '4044772a-ea1a-cdf0-5c9b-518a01b57b8a', '(2026-11-30,SETTLED,"[[""actions"", 1, 20], [""actions:ISSUE_REFUND"", 1, null], [""amount:ISSUE_REFUND"", 1500, 60000]]")', NULL, '(1,worker-0017d96be081,1796040081092,ik_3c4251f41ae7793ccd79f41f20c8f5cb94c4bc27,1796040054092)', NULL),
	(14, 1796040054115, 'northwind', 'acme', 'running-once', 'SEND_MAIL', 'RUNNING', 2, 38, 37, 'POLICY', NULL, 'ada', NULL, '\x25b3ae0a175bccd4e04a0ab9f98f0902', '\xda6c936ec2e5bb97e9450712058f14274c59f9b32c7f68f91a25ce02321a9fe8', '{"account_id":"acme","action_type":"SEND_MAIL","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"body":"Good morning.","subject":"running-once","to":"hang@example.com"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040054140, 'f400db69-9d05-b112-8daa-e215224550bf', '(2026-11-30,SETTLED,"[[""actions"", 1, 20], [""actions:SEND_MAIL"", 1, 2]]")', NULL, '(1,worker-0017d96be081,1796040081140,ik_9ca3b7b99336bccde2c30309c6a1e27250bb8d1f,1796040054140)', NULL),
	(15, 1796040054374, 'northwind', 'globex', 'approved-by-policy', 'CREATE_TASK', 'APPROVED', 1, 39, 39, 'POLICY', NULL, 'ada', NULL, '\x6398473091928b0a7c359d6dff514c05', '\x3af34aa14b9e42368dad897c9d284f7d223409018b9844f34cdf5868403a1b16', '{"account_id":"globex","action_type":"CREATE_TASK","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"title":"approved-by-policy"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040054374, '32c1e783-3011-55de-207e-5c0851d669a4', '(2026-11-30,HELD,"[[""actions"", 1, 1], [""actions:CREATE_TASK"", 1, null]]")', NULL, NULL, NULL),
	(16, 1796040054489, 'northwind', 'globex', 'approved-by-person', 'CREATE_TASK', 'APPROVED', 2, 41, 40, 'HUMAN', NULL, 'ada', NULL, '\xb49b516aff58da889606f4b61a9aecb9', '\x271cb58bba2f47fc0076a696b92c2674cbd059689c82f1d36a9bb98fa0fd9efa', '{"account_id":"globex","action_type":"CREATE_TASK","confidence_score":0.5,"edited_by":null,"expires_at":null,"parameters":{"title":"approved-by-person"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040054590, 'f5ed24fc-0fa3-217e-4bde-1ca84bcd2de4', NULL, '(1,APPROVED,sha256:babbe92746b8637ea9df7a05617affed63d35dd636e4aa8b173f32944abe3d7a,1796040054489,1796299254489,[],"{""kind"": ""approve"", ""ruled_by"": ""olga"", ""reason"": ""Go on."", ""ruled_at"": 1796040054590}",)', NULL, NULL),
	(17, 1796040054677, 'northwind', 'acme', 'waits-unsure', 'CREATE_TASK', 'AWAITING_APPROVAL', 1, 42, 42, NULL, 1796299254677, 'ada', NULL, '\x3fd7dfb8ef077000ee6fb7ac83496afe', '\x4bf00a9ca3569ef3ac540b1b3cd11d7f2e33985ab3019d1e696d9c9859caee24', '{"account_id":"acme","action_type":"CREATE_TASK","confidence_score":0.5,"edited_by":null,"expires_at":null,"parameters":{"title":"waits-unsure"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040054677, '63a33714-fbf1-303a-7ffc-543d9e7eb9a4', NULL, '(1,OPEN,sha256:d91835ca120c945185978a6a341ef89bfa7722e1f03badd102a8e5620b7203bb,1796040054677,1796299254677,[],,)', NULL, NULL),
	(18, 1796040054726, 'northwind', 'acme', 'waits-with-a-fraction', 'CREATE_TASK', 'AWAITING_APPROVAL', 1, 43, 43, NULL, 1796299254726, 'ada', NULL, '\x7dce9a63120d99d3e36bf07afb9e44b7', '\xcb82ab38d26d44b919e5fc236ddc4bbacf0d0d35631530929ace05550782f200', '{"account_id":"acme","action_type":"CREATE_TASK","confidence_score":0.5,"edited_by":null,"expires_at":null,"parameters":{"hours":1.25,"title":"waits-with-a-fraction"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040054726, 'be8eadf1-d6c9-6ddc-a043-044ab3be0a1c', NULL, '(1,OPEN,sha256:56e788ea99f593720c0bf02a533c2d8a47b399b09d09306bf14cba8ccacc2302,1796040054726,1796299254726,[],,)', NULL, NULL),
	(19, 1796040054805, 'northwind', 'acme', 'waits-until-2099', 'CREATE_TASK', 'AWAITING_APPROVAL', 1, 44, 44, NULL, 1796299254805, 'ada', NULL, '\x61d188c8abeeff5357b58162d86546cc', '\x0da7bec26c806d8b91eb8233ec4d1a5439175e94dd3318a591af6e080f6dfb5a', '{"account_id":"acme","action_type":"CREATE_TASK","confidence_score":0.5,"edited_by":null,"expires_at":"2099-01-01T00:00:00.000Z","parameters":{"title":"waits-until-2099"},"risk_level":"LOW","supersedes":null,"target":{"deal":"Ünïcode"},"why":["A customer asked."]}', 1796040054805, '5aeb38d6-e15b-0924-2038-d587154bc8d8', NULL, '(1,OPEN,sha256:a23faa639dca83fe1657fb7fb2c4901310b21c4955c92d0229d122c86bab6544,1796040054805,1796299254805,[],,)', NULL, NULL),
	(20, 1796040054888, 'northwind', 'acme', 'waits-for-a-large-refund', 'ISSUE_REFUND', 'AWAITING_APPROVAL', 1, 45, 45, NULL, 1796299254888, 'ada', NULL, '\xfffb0100ec76e7b334ba49f17db8b84e', '\xf57359566461b429562e61e9db74784833fe85aeae4b9cbcb79ab61b02756392', '{"account_id":"acme","action_type":"ISSUE_REFUND","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"amount_minor":30000,"order_id":"ORD-2"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040054888, '280ed2d5-ab2c-45db-06a5-20ee6fa4780a', NULL, '(1,OPEN,sha256:d2d896950137bac6e9855335800f6f1bd48a224a8462c48803d894c72af016b6,1796040054888,1796299254888,[],,)', NULL, NULL),
	(21, 1796040055036, 'northwind', 'initech', 'waits-by-mode', 'SEND_MAIL', 'AWAITING_APPROVAL', 1, 46, 46, NULL, 1796299255036, 'ada', NULL, '\xb843c9e3e8aeead84bcab2a5156a13cc', '\xc5b850a2695bef69f61c1ae556f0428116f15e37c59667c1c48b66d8f2a0996d', '{"account_id":"initech","action_type":"SEND_MAIL","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"body":"Good morning.","subject":"waits-by-mode","to":"bob@example.com"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040055036, '7391ab25-7389-5d79-2db1-07552a7aaf07', NULL, '(1,OPEN,sha256:6650c0457bf5d7aa443cecbc934135b6ed55f6b5176178f9eda17bcc2e205c15,1796040055036,1796299255036,[],,)', NULL, NULL),
	(22, 1796040055160, 'northwind', 'acme', 'waits-by-budget', 'SEND_MAIL', 'AWAITING_APPROVAL', 1, 47, 47, NULL, 1796299255160, 'ada', NULL, '\xdcbf52cf8a85bbda9399b63b0895f650', '\x5013b13e3143ecef9d5e71943788d215bc9ed62b0a2edfb18f406e4a938df0a1', '{"account_id":"acme","action_type":"SEND_MAIL","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"body":"Good morning.","subject":"waits-by-budget","to":"cyd@example.com"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040055160, '96d9c18e-7451-abc8-fc50-c1e39d0e75d0', NULL, '(1,OPEN,sha256:bde7116679af4ebb697d0f8d0cb9188357d6e18d0cd51467ff81aae322cb5f68,1796040055160,1796299255160,[],,)', NULL, NULL),
	(23, 1796040055228, 'northwind', 'acme', 'waits-by-allowlist', 'UPDATE_FIELD', 'AWAITING_APPROVAL', 1, 48, 48, NULL, 1796299255228, 'ada', NULL, '\x65de4f38b275c684df28e29628bcb5e0', '\x456d5d6a869f646f5844cbdce32c18b2aae2cab1478b32333fc0c9334ba7bec2', '{"account_id":"acme","action_type":"UPDATE_FIELD","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"field":"stage","value":"won"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040055228, 'bb627abe-0c49-4c13-39d5-adc96505dc56', NULL, '(1,OPEN,sha256:543de37ca79e264b16a51e640bc4fcd6bc628d5ace664ed6558efe90ee58aa64,1796040055228,1796299255228,[],,)', NULL, NULL),
	(24, 1796040055314, 'northwind', 'acme', 'waits-by-switch', 'DELETE_TASK', 'AWAITING_APPROVAL', 1, 49, 49, NULL, 1796299255314, 'ada', NULL, '\x4eb4ddd647220f335f04144c76ea7c07', '\xf3b90c52e750f92a1c9051de0b7d73fa16945b469a47a57bc4db207703b69302', '{"account_id":"acme","action_type":"DELETE_TASK","confidence_score":0.95,"edited_by":null,"expires_at":null,"parameters":{"title":"waits-by-switch"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040055314, 'be8b4e7e-9c93-8f60-25d9-db7ddb9e948d', NULL, '(1,OPEN,sha256:79d01b5a1e1df4c217e3092f7c0f768cb4031ade8b2b50c4103fc4564762a801,1796040055314,1796299255314,[],,)', NULL, NULL),
	(25, 1796040055410, 'northwind', 'acme', 'waits-by-pin', 'RENAME_ACCOUNT', 'AWAITING_APPROVAL', 1, 50, 50, NULL, 1796299255410, 'ada', NULL, '\x5563be9af3ea31551736a0478e0c046c', '\x4d77299781d583009b4a4cf16cf74c18618503a8257281d852e8106b0b6955b1', '{"account_id":"acme","action_type":"RENAME_ACCOUNT","confidence_score":0.5,"edited_by":null,"expires_at":null,"parameters":{"name":"Acme"},"risk_level":"LOW","supersedes":null,"target":null,"why":["A customer asked."]}', 1796040055410, 'd1065390-da05-55cb-1f31-f5988b66b3e7', NULL, '(1,OPEN,sha256:69fe5067b29d9647bd487b29984aa3e3e57fee07eb93bca11c44cbbc3dc29978,1796040055410,1796299255410,[],,)', NULL, NULL);


--
-- Data for Name: intent_2026_12; Type: TABLE DATA; Schema: clearance; Owner: -
--



--
-- Data for Name: intent_2027_01; Type: TABLE DATA; Schema: clearance; Owner: -
--



--
-- Data for Name: intent_elsewhen; Type: TABLE DATA; Schema: clearance; Owner: -
--



--
-- Data for Name: intent_key; Type: TABLE DATA; Schema: clearance; Owner: -
--

INSERT INTO clearance.intent_key VALUES
	('northwind', 'waits-from-before-the-switch', 1, 1796040048983, 9, 'fa7c30ec-7a71-6dd7-1d14-66f5e009af19'),
	('northwind', 'succeeded', 2, 1796040049148, 11, '223b753c-7cfb-8073-bcb6-bd40dcc32e94'),
	('northwind', 'failed', 3, 1796040049535, 14, 'e0df0df0-3f2f-bfe9-2b2e-bd6f9260f3a0'),
	('northwind', 'unknown', 4, 1796040049711, 17, '55f15831-6af5-57ce-de4a-55263a5a090c'),
	('northwind', 'blocked', 5, 1796040049894, 20, 'b2529b80-f960-aa8f-5350-d6679c68a369'),
	('northwind', 'blocked-by-mode', 6, 1796040049996, 21, '6f0f555d-894b-2c30-c42e-ee9f71eabc55'),
	('northwind', 'expired', 7, 1796040050057, 22, 'f841cedb-0966-501b-2f5e-dab9b54644e5'),
	('northwind', 'succeeded-by-ruling', 8, 1796040053168, 24, '5b7f9d4f-ef28-0b8f-0110-b783561fdc9a'),
	('northwind', 'rejected', 9, 1796040053261, 25, 'df2df23a-2a24-822f-3216-e6f317de3cde'),
	('northwind', 'edited', 10, 1796040053341, 26, '54ef8197-e5bd-34f8-8488-dd76e86d2e50'),
	('northwind', 'cancelled', 11, 1796040053428, 27, 'f2e94972-c5ac-206a-aeb8-c8d2e160ba1b'),
	('northwind', '01a22c54546b73d891ccde45f989d50d', 12, 1796040053870, 32, '9289585f-4b12-bfc2-3eb6-f65377a86c77'),
	('northwind', 'running', 13, 1796040054050, 35, 'b51359ed-1de6-d752-06cc-11cb57727c97'),
	('northwind', 'running-once', 14, 1796040054115, 37, 'd7179b09-cea4-1d1b-accf-144f703e9ec7'),
	('northwind', 'approved-by-policy', 15, 1796040054374, 39, '32c1e783-3011-55de-207e-5c0851d669a4'),
	('northwind', 'approved-by-person', 16, 1796040054489, 40, 'fb648577-7210-42e1-9d04-b7a74d20cdd1'),
	('northwind', 'waits-unsure', 17, 1796040054677, 42, '63a33714-fbf1-303a-7ffc-543d9e7eb9a4'),
	('northwind', 'waits-with-a-fraction', 18, 1796040054726, 43, 'be8eadf1-d6c9-6ddc-a043-044ab3be0a1c'),
	('northwind', 'waits-until-2099', 19, 1796040054805, 44, '5aeb38d6-e15b-0924-2038-d587154bc8d8'),
	('northwind', 'waits-for-a-large-refund', 20, 1796040054888, 45, '280ed2d5-ab2c-45db-06a5-20ee6fa4780a'),
	('northwind', 'waits-by-mode', 21, 1796040055036, 46, '7391ab25-7389-5d79-2db1-07552a7aaf07'),
	('northwind', 'waits-by-budget', 22, 1796040055160, 47, '96d9c18e-7451-abc8-fc50-c1e39d0e75d0'),
	('northwind', 'waits-by-allowlist', 23, 1796040055228, 48, 'bb627abe-0c49-4c13-39d5-adc96505dc56'),
	('northwind', 'waits-by-switch', 24, 1796040055314, 49, 'be8b4e7e-9c93-8f60-25d9-db7ddb9e948d'),
	('northwind', 'waits-by-pin', 25, 1796040055410, 50, 'd1065390-da05-55cb-1f31-f5988b66b3e7');


--
-- Data for Name: ledger; Type: TABLE DATA; Schema: clearance; Owner: -
--

INSERT INTO clearance.ledger VALUES
	('northwind', 1, NULL, '\x7b226163746f72223a7b226964223a226f70657261746f72222c226b696e64223a22504552534f4e227d2c226174223a22323032362d31312d33305431323a30303a33342e3139325a222c22646966666572656e636573223a5b22746f6f6c5f736572766572732e63726d206973206e65772e222c22636174616c6f672e4352454154455f5441534b206973206e65772e222c22636174616c6f672e44454c4554455f5441534b206973206e65772e222c22636174616c6f672e49535355455f524546554e44206973206e65772e222c22636174616c6f672e52454e414d455f4143434f554e54206973206e65772e222c22636174616c6f672e53454e445f4d41494c206973206e65772e222c22636174616c6f672e5550444154455f4649454c44206973206e65772e222c226175746f6e6f6d792e616c6c6f776c6973742e74656e616e742e4352454154455f5441534b206973206e65773a206c69737465642e222c226175746f6e6f6d792e616c6c6f776c6973742e74656e616e742e44454c4554455f5441534b206973206e65773a206c69737465642e222c226175746f6e6f6d792e616c6c6f776c6973742e74656e616e742e49535355455f524546554e44206973206e65773a206c69737465642e222c226175746f6e6f6d792e616c6c6f776c6973742e74656e616e742e52454e414d455f4143434f554e54206973206e65773a206c69737465642e222c226175746f6e6f6d792e616c6c6f776c6973742e74656e616e742e53454e445f4d41494c206973206e65773a206c69737465642e222c226175746f6e6f6d792e616c6c6f776c6973742e6163636f756e74732e696e69746563682e5550444154455f4649454c44206973206e65773a206c69737465642e222c226175746f6e6f6d792e6d6f6465732e6576657279206163636f756e74206973206e65773a204155544f5f455845435554452e222c226175746f6e6f6d792e6d6f6465732e696e6974656368206973206e65773a2050524f504f53455f4f4e4c592e222c226175746f6e6f6d792e6d6f6465732e676c6f6265782c2053454e445f4d41494c206973206e65773a2044495341424c45442e222c226175746f6e6f6d792e627564676574732e6576657279206163636f756e742e6d61785f7065725f646179206973206e65773a2035302e222c226175746f6e6f6d792e627564676574732e6576657279206163636f756e742e7a6f6e65206973206e65773a205554432e222c226175746f6e6f6d792e627564676574732e61636d652e6d61785f7065725f646179206973206e65773a2032302e222c226175746f6e6f6d792e627564676574732e61636d652e7a6f6e65206973206e65773a204575726f70652f4265726c696e2e222c226175746f6e6f6d792e627564676574732e61636d652e6d61785f7065725f6461795f62795f616374696f6e5f747970652e53454e445f4d41494c206973206e65773a20322e222c226175746f6e6f6d792e627564676574732e61636d652e6d61785f616d6f756e745f7065725f6461795f62795f616374696f6e5f747970652e49535355455f524546554e44206973206e65773a2036303030302e222c226175746f6e6f6d792e627564676574732e676c6f6265782e6d61785f7065725f646179206973206e65773a20312e222c226175746f6e6f6d792e627564676574732e676c6f6265782e7a6f6e65206973206e65773a205554432e222c22706f6c696379206368616e6765642e225d2c22646966666572656e6365735f636f756e74223a32352c22646967657374223a227368613235363a37663264336433656264323235613539323561633837383835393165306666303034316665633864376330343931373039623230333266326631353439663536222c22666f726d6174223a312c226b696e64223a2253455454494e47535f4348414e474544222c227061727473223a5b22616c6c6f776c697374222c2262756467657473222c22636174616c6f67222c226d6f646573222c22706f6c696379222c22746f6f6c5f73657276657273225d2c2274656e616e745f6964223a226e6f72746877696e64222c2276657273696f6e223a317d'),
	('northwind', 2, NULL, '\x7b226163746f72223a7b226964223a226f70657261746f72222c226b696e64223a22504552534f4e227d2c226174223a22323032362d31312d33305431323a30303a33342e3235395a222c22646966666572656e636573223a5b22746f6f6c5f70696e732e63726d2e6372656174655f7461736b206973206e65773a207368613235363a373763636635333932643037616435633234366465356432323262343362333338316439666163363233366235623239316538623330356532323637363366362e222c22746f6f6c5f70696e732e63726d2e64656c6574655f7461736b206973206e65773a207368613235363a333932393562393230623532643962653662366535613031643835623431656132386565343537376237353531356237326263396231643730616265616232342e222c22746f6f6c5f70696e732e63726d2e69737375655f726566756e64206973206e65773a207368613235363a396431643137646664336439373931313536346165376336663764313266616139353963633636323362656636313661636235636339613136633031353237662e222c22746f6f6c5f70696e732e63726d2e72656e616d655f6163636f756e74206973206e65773a207368613235363a326465386239636661343235303836613837376566623737326431373062306636376263316638613239393635613465343738343163353930623462653364612e222c22746f6f6c5f70696e732e63726d2e73656e645f6d61696c206973206e65773a207368613235363a333662303964346131323063306131346437666139633236366331316465393762383632346334353936373662383238616134663532653663636130343363392e222c22746f6f6c5f70696e732e63726d2e7570646174655f6669656c64206973206e65773a207368613235363a366265353738306434383664623065326265376361306563653739653632633764633534393030376166616539643161656632666661396361346562356265632e225d2c22646966666572656e6365735f636f756e74223a362c22646967657374223a227368613235363a30353766353331316337333862616534303037363535353061663536626433626462333766373737366263303239653736343932636532393863303932326231222c22666f726d6174223a312c226b696e64223a2253455454494e47535f4348414e474544222c227061727473223a5b22746f6f6c5f70696e73225d2c2274656e616e745f6964223a226e6f72746877696e64222c2276657273696f6e223a327d'),
	('northwind', 3, NULL, '\x7b226163746f72223a7b226964223a226f70657261746f72222c226b696e64223a22504552534f4e227d2c226174223a22323032362d31312d33305431323a30303a33392e3136325a222c22666f726d6174223a312c226b65795f6964223a223031613232633534316166613737313939333331383464323635613730353166222c226b696e64223a224150495f4b45595f43524541544544222c226e616d65223a226f776e6572222c22726f6c65223a226f776e6572222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('*', 1, NULL, '\x7b226163746f72223a7b226964223a226f70657261746f72222c226b696e64223a22504552534f4e227d2c226166746572223a5b7b226c6576656c223a22484f4c44222c22726561736f6e223a2241206472696c6c2e222c2273636f7065223a22474c4f42414c222c227375626a656374223a6e756c6c7d5d2c226174223a22323032362d31312d33305431323a30303a34352e3033345a222c226265666f7265223a5b5d2c22646967657374223a227368613235363a34333830653437396539383964333738333930353263393765316535623763303866623666653239306432616266363064313738656435383362626664386239222c22666f726d6174223a312c226b696e64223a2253544f505f53574954434845535f4348414e474544222c2274656e616e745f6964223a222a222c2276657273696f6e223a317d'),
	('*', 2, NULL, '\x7b226163746f72223a7b226964223a226f70657261746f72222c226b696e64223a22504552534f4e227d2c226166746572223a5b5d2c226174223a22323032362d31312d33305431323a30303a34372e3737335a222c226265666f7265223a5b7b226c6576656c223a22484f4c44222c22726561736f6e223a2241206472696c6c2e222c2273636f7065223a22474c4f42414c222c227375626a656374223a6e756c6c7d5d2c22646967657374223a227368613235363a61336364343762656633333436353134326531313433653863363038313839343661363033333962663963393735353234393535663861363261636263353764222c22666f726d6174223a312c226b696e64223a2253544f505f53574954434845535f4348414e474544222c2274656e616e745f6964223a222a222c2276657273696f6e223a327d'),
	('northwind', 4, NULL, '\x7b226163746f72223a7b226964223a226f776e6572222c226b696e64223a22504552534f4e227d2c226174223a22323032362d31312d33305431323a30303a34382e3334335a222c22666f726d6174223a312c226b65795f6964223a223031613232633534336564373732616262323863316533326333616231333465222c226b696e64223a224150495f4b45595f43524541544544222c226e616d65223a22616461222c22726f6c65223a226167656e74222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 5, NULL, '\x7b226163746f72223a7b226964223a226f776e6572222c226b696e64223a22504552534f4e227d2c226174223a22323032362d31312d33305431323a30303a34382e3435385a222c22666f726d6174223a312c226b65795f6964223a223031613232633534336634613766646339376633373933316362636631376162222c226b696e64223a224150495f4b45595f43524541544544222c226e616d65223a226f6c6761222c22726f6c65223a22617070726f766572222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 6, NULL, '\x7b226163746f72223a7b226964223a226f776e6572222c226b696e64223a22504552534f4e227d2c226174223a22323032362d31312d33305431323a30303a34382e3537345a222c22666f726d6174223a312c226b65795f6964223a223031613232633534336662653732353562386565663431376639306136636630222c226b696e64223a224150495f4b45595f43524541544544222c226e616d65223a22617564726579222c22726f6c65223a2261756469746f72222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 7, NULL, '\x7b226163746f72223a7b226964223a226f776e6572222c226b696e64223a22504552534f4e227d2c226174223a22323032362d31312d33305431323a30303a34382e3730365a222c22666f726d6174223a312c226b65795f6964223a223031613232633534343034323762623739666634353531663334626139363536222c226b696e64223a224150495f4b45595f43524541544544222c226e616d65223a22666f726d6572222c22726f6c65223a226167656e74222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 8, NULL, '\x7b226163746f72223a7b226964223a226f776e6572222c226b696e64223a22504552534f4e227d2c226174223a22323032362d31312d33305431323a30303a34382e3736315a222c22666f726d6174223a312c226b65795f6964223a223031613232633534343034323762623739666634353531663334626139363536222c226b696e64223a224150495f4b45595f5245564f4b4544222c226e616d65223a22666f726d6572222c22726f6c65223a226167656e74222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 9, 1, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2277616974732d66726f6d2d6265666f72652d7468652d737769746368222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2277616974732d66726f6d2d6265666f72652d7468652d7377697463682e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a34382e3938335a227d2c226174223a22323032362d31312d33305431323a30303a34382e3938335a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a63666331643538613538653339613636376262306436306165373332393737636161373864386166666434366632363631643535323539373030663738396339222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a353030302c22636f6e74656e745f646967657374223a227368613235363a34336639353464346564373335346231313035393262323833353533633533656639333731316335306232343833373232386433333166653962373635393033222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22434f4e464944454e43455f544f4f5f4c4f57222c22696e70757473223a7b22636c6175736573223a5b22737572652d656e6f756768225d2c22636f6e666964656e63655f6270223a353030302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e227d5d2c22706f6c6963795f636c61757365223a5b22737572652d656e6f756768225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22434f4e464944454e43455f544f4f5f4c4f57222c2273657474696e67735f76657273696f6e223a5b322c325d7d2c22646967657374223a227368613235363a38613738636663303833666263343836313134313539643735326164393763386639393230616639353837383662386434336663386538333763613263643864222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 10, NULL, '\x7b226163746f72223a7b226964223a226f776e6572222c226b696e64223a22504552534f4e227d2c226166746572223a5b7b226c6576656c223a22484f4c44222c22726561736f6e223a225461736b7320776572652064656c65746564206279206d697374616b652e222c2273636f7065223a22414354494f4e5f54595045222c227375626a656374223a2244454c4554455f5441534b227d5d2c226174223a22323032362d31312d33305431323a30303a34392e3033305a222c226265666f7265223a5b5d2c22646967657374223a227368613235363a34643736323264326664636461353465373263363031653263663331306239306337306537643238343530386466306230393731356135663130303962306139222c22666f726d6174223a312c226b696e64223a2253544f505f53574954434845535f4348414e474544222c2274656e616e745f6964223a226e6f72746877696e64222c2276657273696f6e223a337d'),
	('northwind', 11, 2, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a22737563636565646564222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a34392e3134385a222c226175746f5f6578656375746564223a747275652c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a65306239366462343639653863383562303134313938616166633132386433653133343238633234383530383035613639313539653631393561333531383231222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a39653234646631663566626161653734653165326434636232326664363332613437306231393663356136343465616163323234313634313964623837613535222c226465636973696f6e223a7b226465636973696f6e223a224155544f5f45584543555445222c226578706c616e6174696f6e223a22526f7574696e6520776f726b206f6e206163636f756e7473206d617920626520646f6e652e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22706f6c696379222c22636f6465223a22524f5554494e455f574f524b222c22696e70757473223a7b22636c6175736573223a5b226461696c792d776f726b225d2c22636f6e666964656e63655f6270223a393530302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a22526f7574696e6520776f726b206f6e206163636f756e7473206d617920626520646f6e652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22627564676574222c22636f6465223a224255444745545f48454c44222c22696e70757473223a7b22636c61696d73223a5b7b22616d6f756e74223a312c226275636b6574223a22616374696f6e73222c226c696d6974223a32302c2275736564223a6e756c6c7d2c7b22616d6f756e74223a312c226275636b6574223a22616374696f6e733a4352454154455f5441534b222c226c696d6974223a6e756c6c2c2275736564223a6e756c6c7d5d2c22646179223a22323032362d31312d3330222c227a6f6e65223a224575726f70652f4265726c696e227d2c2273656e74656e6365223a22546865206175746f6e6f6d7920627564676574206f662061636d6520666f7220323032362d31312d33302068617320726f6f6d2e227d5d2c22706f6c6963795f636c61757365223a5b226461696c792d776f726b225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22524f5554494e455f574f524b222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a31613636323863316366616565386139633030333265366239396138376663646336346639383838353530386465646631663466636238343334366131336438222c22666f726d6174223a312c22686f6c64223a7b22636c61696d73223a5b5b22616374696f6e73222c315d2c5b22616374696f6e733a4352454154455f5441534b222c315d5d2c22646179223a22323032362d31312d3330227d2c226b696e64223a22414354494f4e5f415050524f564544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a22415050524f564544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 12, 2, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a22737563636565646564222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22636c656172616e6365222c226b696e64223a2253595354454d227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a34392e3234315a222c22617474656d7074223a312c226175746f5f6578656375746564223a747275652c22646967657374223a227368613235363a31613636323863316366616565386139633030333265366239396138376663646336346639383838353530386465646631663466636238343334366131336438222c22666f726d6174223a312c226964656d706f74656e63795f6b6579223a22696b5f35353961616561663435326664613864343632353162613863636361333162303666613630653162222c226b696e64223a22455845435554494f4e5f53544152544544222c226c656173655f756e74696c223a22323032362d31312d33305431323a30313a31362e3234315a222c22737461747573223a2252554e4e494e47222c2274656e616e745f6964223a226e6f72746877696e64222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22776f726b6572223a22776f726b65722d303031376439366265303831227d'),
	('northwind', 13, 2, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a22737563636565646564222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22636c656172616e6365222c226b696e64223a2253595354454d227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a34392e3338325a222c22617474656d7074223a312c226175746f5f6578656375746564223a747275652c22666f726d6174223a312c226b696e64223a224f5554434f4d455f5245434f52444544222c22726573756c745f6279746573223a32332c22726573756c745f646967657374223a227368613235363a66393430353332323435633038623266323766623362623063393033326265626434343361643239623731333563373531306139633534306136643436646633222c22737461747573223a22535543434545444544222c2274656e616e745f6964223a226e6f72746877696e64222c227472696573223a317d'),
	('northwind', 14, 3, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a226661696c6564222c22616374696f6e5f74797065223a2249535355455f524546554e44222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a34392e3533355a222c226175746f5f6578656375746564223a747275652c2262696e64696e67223a7b22616374696f6e223a227368613235363a65353738616637343665303437666266326434303334396230616631656138303862326530636435623531643034336439623738376333633563313737393664222c22706172616d6574657273223a227368613235363a66373064626238383061373562643766356161626531306532616332663435313730663032396137666533616239643465313833323737353432376662643932222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e69737375655f726566756e64222c22746f6f6c5f736368656d61223a227368613235363a39643164313764666433643937393131353634616537633666376431326661613935396363363632336265663631366163623563633961313663303135323766227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a35623032656139396561323139366434633166396332316638616462643938346530616463636161353266633133646433623566303163613665393537326636222c226465636973696f6e223a7b226465636973696f6e223a224155544f5f45584543555445222c226578706c616e6174696f6e223a22526566756e6473206d6179206265206973737565642077697468696e207468656972206c696d6974732e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224d454449554d222c227269736b5f6c6576656c5f636174616c6f67223a224d454449554d222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e69737375655f726566756e64227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e69737375655f726566756e642e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a2249535355455f524546554e44206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22706f6c696379222c22636f6465223a22524546554e445f57495448494e5f4c494d495453222c22696e70757473223a7b22636c6175736573223a5b22726566756e6473225d2c22636f6e666964656e63655f6270223a393530302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a327d2c2273656e74656e6365223a22526566756e6473206d6179206265206973737565642077697468696e207468656972206c696d6974732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22627564676574222c22636f6465223a224255444745545f48454c44222c22696e70757473223a7b22636c61696d73223a5b7b22616d6f756e74223a312c226275636b6574223a22616374696f6e73222c226c696d6974223a32302c2275736564223a6e756c6c7d2c7b22616d6f756e74223a312c226275636b6574223a22616374696f6e733a49535355455f524546554e44222c226c696d6974223a6e756c6c2c2275736564223a6e756c6c7d2c7b22616d6f756e74223a3530302c226275636b6574223a22616d6f756e743a49535355455f524546554e44222c226c696d6974223a36303030302c2275736564223a6e756c6c7d5d2c22646179223a22323032362d31312d3330222c227a6f6e65223a224575726f70652f4265726c696e227d2c2273656e74656e6365223a22546865206175746f6e6f6d7920627564676574206f662061636d6520666f7220323032362d31312d33302068617320726f6f6d2e227d5d2c22706f6c6963795f636c61757365223a5b22726566756e6473225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22524546554e445f57495448494e5f4c494d495453222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a62316331613333613565653333336262383161376661366639353565343034666664643731363661343465353639633833666333653531323664616561626632222c22666f726d6174223a312c22686f6c64223a7b22636c61696d73223a5b5b22616374696f6e73222c315d2c5b22616374696f6e733a49535355455f524546554e44222c315d2c5b22616d6f756e743a49535355455f524546554e44222c3530305d5d2c22646179223a22323032362d31312d3330227d2c226b696e64223a22414354494f4e5f415050524f564544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a22415050524f564544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 15, 3, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a226661696c6564222c22616374696f6e5f74797065223a2249535355455f524546554e44222c226163746f72223a7b226964223a22636c656172616e6365222c226b696e64223a2253595354454d227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a34392e3536365a222c22617474656d7074223a312c226175746f5f6578656375746564223a747275652c22646967657374223a227368613235363a62316331613333613565653333336262383161376661366639353565343034666664643731363661343465353639633833666333653531323664616561626632222c22666f726d6174223a312c226964656d706f74656e63795f6b6579223a22696b5f32326564643430626438306536386439346361386564623464363937326531363532333939306266222c226b696e64223a22455845435554494f4e5f53544152544544222c226c656173655f756e74696c223a22323032362d31312d33305431323a30313a31362e3536365a222c22737461747573223a2252554e4e494e47222c2274656e616e745f6964223a226e6f72746877696e64222c22746f6f6c223a2263726d2e69737375655f726566756e64222c22776f726b6572223a22776f726b65722d303031376439366265303831227d'),
	('northwind', 16, 3, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a226661696c6564222c22616374696f6e5f74797065223a2249535355455f524546554e44222c226163746f72223a7b226964223a22636c656172616e6365222c226b696e64223a2253595354454d227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a34392e3630315a222c22617474656d7074223a312c226175746f5f6578656375746564223a747275652c226572726f72223a7b22636c617373223a2256414c49444154494f4e222c22636f6465223a22544f4f4c5f4552524f52222c2273656e74223a22414e535745524544227d2c22666f726d6174223a312c226b696e64223a224f5554434f4d455f5245434f52444544222c22726573756c745f6279746573223a302c22726573756c745f646967657374223a227368613235363a38333633343864303761386435336362366637376138663439396562653463366339623961303535626632323462613536323630376235393166646639303738222c22737461747573223a224641494c4544222c2274656e616e745f6964223a226e6f72746877696e64222c227472696573223a317d'),
	('northwind', 17, 4, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a22756e6b6e6f776e222c22616374696f6e5f74797065223a2253454e445f4d41494c222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a34392e3731315a222c226175746f5f6578656375746564223a747275652c2262696e64696e67223a7b22616374696f6e223a227368613235363a65346234656165356664646335313735643262646132653837636636376537333861336233343666336165376332353435326166613136363438663761623566222c22706172616d6574657273223a227368613235363a35333361623934383365663036386630613139663833316165343734636264373962336331643864346530636634643066373162396662313663613766383531222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e73656e645f6d61696c222c22746f6f6c5f736368656d61223a227368613235363a33366230396434613132306330613134643766613963323636633131646539376238363234633435393637366238323861613466353265366363613034336339227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a61376630663966626139313438356633396430633237313330383364653835356465326130303765343632636266386538306333393765376262386234366431222c226465636973696f6e223a7b226465636973696f6e223a224155544f5f45584543555445222c226578706c616e6174696f6e223a22526f7574696e6520776f726b206f6e206163636f756e7473206d617920626520646f6e652e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a2261745f6d6f73745f6f6e6365222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e73656e645f6d61696c227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e73656e645f6d61696c2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a2253454e445f4d41494c206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22706f6c696379222c22636f6465223a22524f5554494e455f574f524b222c22696e70757473223a7b22636c6175736573223a5b226461696c792d776f726b225d2c22636f6e666964656e63655f6270223a393530302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a22526f7574696e6520776f726b206f6e206163636f756e7473206d617920626520646f6e652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22627564676574222c22636f6465223a224255444745545f48454c44222c22696e70757473223a7b22636c61696d73223a5b7b22616d6f756e74223a312c226275636b6574223a22616374696f6e73222c226c696d6974223a32302c2275736564223a6e756c6c7d2c7b22616d6f756e74223a312c226275636b6574223a22616374696f6e733a53454e445f4d41494c222c226c696d6974223a322c2275736564223a6e756c6c7d5d2c22646179223a22323032362d31312d3330222c227a6f6e65223a224575726f70652f4265726c696e227d2c2273656e74656e6365223a22546865206175746f6e6f6d7920627564676574206f662061636d6520666f7220323032362d31312d33302068617320726f6f6d2e227d5d2c22706f6c6963795f636c61757365223a5b226461696c792d776f726b225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22524f5554494e455f574f524b222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a65623633396330633962646330343634393566323637366635616130306166316166663532343966626134323432336561386237396663646164623238623732222c22666f726d6174223a312c22686f6c64223a7b22636c61696d73223a5b5b22616374696f6e73222c315d2c5b22616374696f6e733a53454e445f4d41494c222c315d5d2c22646179223a22323032362d31312d3330227d2c226b696e64223a22414354494f4e5f415050524f564544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a22415050524f564544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 20, 5, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a22626c6f636b6564222c22616374696f6e5f74797065223a2249535355455f524546554e44222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c226174223a22323032362d31312d33305431323a30303a34392e3839345a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a65353738616637343665303437666266326434303334396230616631656138303862326530636435623531643034336439623738376333633563313737393664222c22706172616d6574657273223a227368613235363a35616262316131333766336237666433313134383538613864366165343430396332613430323835626430356266613635323532313665646138366137366236222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e69737375655f726566756e64222c22746f6f6c5f736368656d61223a227368613235363a39643164313764666433643937393131353634616537633666376431326661613935396363363632336265663631366163623563633961313663303135323766227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a62336530383963393438363531343935356531336534393163633933613534396565303265653565663864653865383630633432323338333035393833383339222c226465636973696f6e223a7b226465636973696f6e223a22424c4f434b222c226578706c616e6174696f6e223a22526566756e64732061626f766520322c3030302e303020617265206e6f7420697373756564206279206167656e74732e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224d454449554d222c227269736b5f6c6576656c5f636174616c6f67223a224d454449554d222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e69737375655f726566756e64227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e69737375655f726566756e642e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a2249535355455f524546554e44206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22424c4f434b222c22636865636b223a22706f6c696379222c22636f6465223a22524546554e445f4f5645525f484152445f434150222c22696e70757473223a7b22636c6175736573223a5b226162737572642d726566756e64225d2c22636f6e666964656e63655f6270223a393530302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a327d2c2273656e74656e6365223a22526566756e64732061626f766520322c3030302e303020617265206e6f7420697373756564206279206167656e74732e227d5d2c22706f6c6963795f636c61757365223a5b226162737572642d726566756e64225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22524546554e445f4f5645525f484152445f434150222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a64316464323431353135363839393263366637306336393262326136383964353230613433633066343837313436636230633132363665373932613933323136222c22666f726d6174223a312c226b696e64223a22414354494f4e5f424c4f434b4544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a22424c4f434b4544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 21, 6, '\x7b226163636f756e745f6964223a22676c6f626578222c22616374696f6e5f696e74656e745f6964223a22626c6f636b65642d62792d6d6f6465222c22616374696f6e5f74797065223a2253454e445f4d41494c222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c226174223a22323032362d31312d33305431323a30303a34392e3939365a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a65346234656165356664646335313735643262646132653837636636376537333861336233343666336165376332353435326166613136363438663761623566222c22706172616d6574657273223a227368613235363a38626432343239383137663436346162366638393732643235363664623737396166306361373738323563363832383737373863303466313636663830376363222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e73656e645f6d61696c222c22746f6f6c5f736368656d61223a227368613235363a33366230396434613132306330613134643766613963323636633131646539376238363234633435393637366238323861613466353265366363613034336339227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a38373131616534336639383333623165656234333433333435376463616562663963323533626162613635356334373139623462373461336535313830623161222c226465636973696f6e223a7b226465636973696f6e223a22424c4f434b222c226578706c616e6174696f6e223a22546865206175746f6e6f6d79206d6f64652069732044495341424c4544202866726f6d3a206163636f756e7420616e6420616374696f6e2074797065292e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a2261745f6d6f73745f6f6e6365222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e73656e645f6d61696c227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e73656e645f6d61696c2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a2253454e445f4d41494c206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a22424c4f434b222c22636865636b223a226d6f6465222c22636f6465223a22414354494f4e5f545950455f44495341424c4544222c22696e70757473223a7b226d6f6465223a2244495341424c4544222c22736f75726365223a226163636f756e7420616e6420616374696f6e2074797065227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f64652069732044495341424c4544202866726f6d3a206163636f756e7420616e6420616374696f6e2074797065292e227d5d2c22706f6c6963795f636c61757365223a5b5d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22414354494f4e5f545950455f44495341424c4544222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a33316232313239633237363336653730623263663466373833303834326238326631373965386164313131653137306138636235386436643365663734653239222c22666f726d6174223a312c226b696e64223a22414354494f4e5f424c4f434b4544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a22424c4f434b4544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 41, 16, '\x7b226163636f756e745f6964223a22676c6f626578222c22616374696f6e5f696e74656e745f6964223a22617070726f7665642d62792d706572736f6e222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a226f6c6761222c226b696e64223a22504552534f4e227d2c22617070726f76616c5f6964223a22617070726f7665642d62792d706572736f6e2e31222c22617070726f76616c5f736f75726365223a2248554d414e222c226174223a22323032362d31312d33305431323a30303a35342e3539305a222c226175746f5f6578656375746564223a66616c73652c22646967657374223a227368613235363a62616262653932373436623836333765613964663761303536313761666665643633643335646436333665346161386231373366333239343461626533643761222c22666f726d6174223a312c226b696e64223a22414354494f4e5f415050524f564544222c2270726f706f7365645f6279223a22616461222c22726561736f6e223a22476f206f6e2e222c2272756c696e67223a22617070726f7665222c22737461747573223a22415050524f564544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 18, 4, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a22756e6b6e6f776e222c22616374696f6e5f74797065223a2253454e445f4d41494c222c226163746f72223a7b226964223a22636c656172616e6365222c226b696e64223a2253595354454d227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a34392e3734385a222c22617474656d7074223a312c226175746f5f6578656375746564223a747275652c22646967657374223a227368613235363a65623633396330633962646330343634393566323637366635616130306166316166663532343966626134323432336561386237396663646164623238623732222c22666f726d6174223a312c226964656d706f74656e63795f6b6579223a22696b5f65653439396138383739616364393265396137353036353365623133356539303161353238396332222c226b696e64223a22455845435554494f4e5f53544152544544222c226c656173655f756e74696c223a22323032362d31312d33305431323a30313a31362e3734385a222c22737461747573223a2252554e4e494e47222c2274656e616e745f6964223a226e6f72746877696e64222c22746f6f6c223a2263726d2e73656e645f6d61696c222c22776f726b6572223a22776f726b65722d303031376439366265303831227d'),
	('northwind', 19, 4, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a22756e6b6e6f776e222c22616374696f6e5f74797065223a2253454e445f4d41494c222c226163746f72223a7b226964223a22636c656172616e6365222c226b696e64223a2253595354454d227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a34392e3737395a222c22617474656d7074223a312c226175746f5f6578656375746564223a747275652c226572726f72223a7b22636c617373223a22444f574e53545245414d222c22636f6465223a22544f4f4c5f4552524f52222c2273656e74223a224d41594245227d2c22666f726d6174223a312c226b696e64223a224f5554434f4d455f5245434f52444544222c22726573756c745f6279746573223a302c22726573756c745f646967657374223a227368613235363a61623932343966373437656665393064623566393962666230613765343332646636393330393463383939336166306130353335326362373633316432373261222c22737461747573223a22554e4b4e4f574e222c2274656e616e745f6964223a226e6f72746877696e64222c227472696573223a317d'),
	('northwind', 23, 7, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2265787069726564222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22636c656172616e6365222c226b696e64223a2253595354454d227d2c22617070726f76616c5f6964223a22657870697265642e31222c226174223a22323032362d31312d33305431323a30303a35322e3935395a222c22636f6465223a2245585049524544222c22666f726d6174223a312c226b696e64223a22414354494f4e5f45585049524544222c22737461747573223a2245585049524544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 29, 8, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a227375636365656465642d62792d72756c696e67222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22636c656172616e6365222c226b696e64223a2253595354454d227d2c22617070726f76616c5f736f75726365223a2248554d414e222c226174223a22323032362d31312d33305431323a30303a35332e3636345a222c22617474656d7074223a312c226175746f5f6578656375746564223a66616c73652c22646967657374223a227368613235363a34666238643661656538323961306236376365396561386534323864646566663766383736393836616537636462633439323061363530636135323539643638222c22666f726d6174223a312c226964656d706f74656e63795f6b6579223a22696b5f31626233363661383365336237643435373933396563383963373961353437656338376234323933222c226b696e64223a22455845435554494f4e5f53544152544544222c226c656173655f756e74696c223a22323032362d31312d33305431323a30313a32302e3636345a222c22737461747573223a2252554e4e494e47222c2274656e616e745f6964223a226e6f72746877696e64222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22776f726b6572223a22776f726b65722d303031376439366265303831227d'),
	('northwind', 31, 8, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a227375636365656465642d62792d72756c696e67222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22636c656172616e6365222c226b696e64223a2253595354454d227d2c22617070726f76616c5f736f75726365223a2248554d414e222c226174223a22323032362d31312d33305431323a30303a35332e3739375a222c22617474656d7074223a312c226175746f5f6578656375746564223a66616c73652c22666f726d6174223a312c226b696e64223a224f5554434f4d455f5245434f52444544222c22726573756c745f6279746573223a32332c22726573756c745f646967657374223a227368613235363a38343366333966663430323936353131316330326564363062646536333463353465666338656162306139336161356130393661666438366630373334623735222c22737461747573223a22535543434545444544222c2274656e616e745f6964223a226e6f72746877696e64222c227472696573223a317d'),
	('northwind', 36, 13, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2272756e6e696e67222c22616374696f6e5f74797065223a2249535355455f524546554e44222c226163746f72223a7b226964223a22636c656172616e6365222c226b696e64223a2253595354454d227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a35342e3039325a222c22617474656d7074223a312c226175746f5f6578656375746564223a747275652c22646967657374223a227368613235363a34626531373634386638323537613061633438366463353063346666326561306433333966363433326265653130616363376239323230616632616137313038222c22666f726d6174223a312c226964656d706f74656e63795f6b6579223a22696b5f33633432353166343161653737393363636437396634316632306338663563623934633462633237222c226b696e64223a22455845435554494f4e5f53544152544544222c226c656173655f756e74696c223a22323032362d31312d33305431323a30313a32312e3039325a222c22737461747573223a2252554e4e494e47222c2274656e616e745f6964223a226e6f72746877696e64222c22746f6f6c223a2263726d2e69737375655f726566756e64222c22776f726b6572223a22776f726b65722d303031376439366265303831227d'),
	('northwind', 38, 14, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2272756e6e696e672d6f6e6365222c22616374696f6e5f74797065223a2253454e445f4d41494c222c226163746f72223a7b226964223a22636c656172616e6365222c226b696e64223a2253595354454d227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a35342e3134305a222c22617474656d7074223a312c226175746f5f6578656375746564223a747275652c22646967657374223a227368613235363a34396263656237646335386662346461323535323263616431373531353637393637383131363866393964373965313436313433343963336463353635633665222c22666f726d6174223a312c226964656d706f74656e63795f6b6579223a22696b5f39636133623762393933333662636364653263333033303963366131653237323530626238643166222c226b696e64223a22455845435554494f4e5f53544152544544222c226c656173655f756e74696c223a22323032362d31312d33305431323a30313a32312e3134305a222c22737461747573223a2252554e4e494e47222c2274656e616e745f6964223a226e6f72746877696e64222c22746f6f6c223a2263726d2e73656e645f6d61696c222c22776f726b6572223a22776f726b65722d303031376439366265303831227d'),
	('northwind', 22, 7, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2265787069726564222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a22657870697265642e31222c22657870697265735f6174223a22323032362d31312d33305431323a30303a35322e3030375a227d2c226174223a22323032362d31312d33305431323a30303a35302e3035375a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a36356138326530663736623330333934363363383463653436623063373463306164653661353966633138306264356561313133636366623362623165313637222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a353030302c22636f6e74656e745f646967657374223a227368613235363a30383037653662633936656233303565346331393835333430613664643332316633363737306430393133303339666135393230386130633165633635326239222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b22657870697265735f6174223a22323032362d31312d33305431323a30303a35322e3030375a227d2c2273656e74656e6365223a2254686520696e74656e74206578706972657320617420323032362d31312d33305431323a30303a35322e3030375a2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22434f4e464944454e43455f544f4f5f4c4f57222c22696e70757473223a7b22636c6175736573223a5b22737572652d656e6f756768225d2c22636f6e666964656e63655f6270223a353030302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e227d5d2c22706f6c6963795f636c61757365223a5b22737572652d656e6f756768225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22434f4e464944454e43455f544f4f5f4c4f57222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a34333663343235626331663432633931653432633865306632386365393062353531376666393533353031386635386539386536616337343133623031643166222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 24, 8, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a227375636365656465642d62792d72756c696e67222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a227375636365656465642d62792d72756c696e672e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35332e3136385a227d2c226174223a22323032362d31312d33305431323a30303a35332e3136385a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a31663662313332323166306666333531326665656536313836363139376666326432303136363263336438316663376132363533333838386239393761343661222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a353030302c22636f6e74656e745f646967657374223a227368613235363a33396535363736633732643330313563313931323732663336336537376532376537356132643536656335663333383032663535386661396131313531373535222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22434f4e464944454e43455f544f4f5f4c4f57222c22696e70757473223a7b22636c6175736573223a5b22737572652d656e6f756768225d2c22636f6e666964656e63655f6270223a353030302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e227d5d2c22706f6c6963795f636c61757365223a5b22737572652d656e6f756768225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22434f4e464944454e43455f544f4f5f4c4f57222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a34666238643661656538323961306236376365396561386534323864646566663766383736393836616537636462633439323061363530636135323539643638222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 25, 9, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2272656a6563746564222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2272656a65637465642e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35332e3236315a227d2c226174223a22323032362d31312d33305431323a30303a35332e3236315a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a36626661646436353231343165343234653865383866656564616366613639303435393532316635326466343663656239313436386132376433363736323030222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a353030302c22636f6e74656e745f646967657374223a227368613235363a32663066383635613162636661396265663436373333353234363533336139363161326366363864346236613631616130316537663461393061336137396264222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22434f4e464944454e43455f544f4f5f4c4f57222c22696e70757473223a7b22636c6175736573223a5b22737572652d656e6f756768225d2c22636f6e666964656e63655f6270223a353030302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e227d5d2c22706f6c6963795f636c61757365223a5b22737572652d656e6f756768225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22434f4e464944454e43455f544f4f5f4c4f57222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a64626335323663383236396336333735386330333462326233356564393166366435356530323331303362306330636463303563323236353966653465646665222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 26, 10, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a22656469746564222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a226564697465642e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35332e3334315a227d2c226174223a22323032362d31312d33305431323a30303a35332e3334315a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a66316266393731666462396432323862613130613664376434366136323564373864383064353462636661333663343564616638616661333866613266633332222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a353030302c22636f6e74656e745f646967657374223a227368613235363a33666435363161643532303364373433356633376461393166656630653334343362623732383566393636333735326133303337393031363939333430646562222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22434f4e464944454e43455f544f4f5f4c4f57222c22696e70757473223a7b22636c6175736573223a5b22737572652d656e6f756768225d2c22636f6e666964656e63655f6270223a353030302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e227d5d2c22706f6c6963795f636c61757365223a5b22737572652d656e6f756768225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22434f4e464944454e43455f544f4f5f4c4f57222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a30333736353738666163646437393762393866316532383630363839313666353866373266353365313763346364346332623339356235376262623234366537222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 27, 11, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2263616e63656c6c6564222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2263616e63656c6c65642e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35332e3432385a227d2c226174223a22323032362d31312d33305431323a30303a35332e3432385a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a61356239333562313233313930383462646465346136393236366234646362653262663839623836313733373166653961613937633732363139383766643062222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a353030302c22636f6e74656e745f646967657374223a227368613235363a33616539356631666566356432383530343036663138333431326132613333663865306336316533666532383737383366333336353032353230383930646136222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22434f4e464944454e43455f544f4f5f4c4f57222c22696e70757473223a7b22636c6175736573223a5b22737572652d656e6f756768225d2c22636f6e666964656e63655f6270223a353030302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e227d5d2c22706f6c6963795f636c61757365223a5b22737572652d656e6f756768225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22434f4e464944454e43455f544f4f5f4c4f57222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a66653961633239393662386564346330646130366635306666323563626135653466653835316535653431626533656338303931653536303639613039613864222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 28, 8, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a227375636365656465642d62792d72756c696e67222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a226f6c6761222c226b696e64223a22504552534f4e227d2c22617070726f76616c5f6964223a227375636365656465642d62792d72756c696e672e31222c22617070726f76616c5f736f75726365223a2248554d414e222c226174223a22323032362d31312d33305431323a30303a35332e3633395a222c226175746f5f6578656375746564223a66616c73652c22646967657374223a227368613235363a34666238643661656538323961306236376365396561386534323864646566663766383736393836616537636462633439323061363530636135323539643638222c22666f726d6174223a312c226b696e64223a22414354494f4e5f415050524f564544222c2270726f706f7365645f6279223a22616461222c22726561736f6e223a2254686520637573746f6d65722077616974732e222c2272756c696e67223a22617070726f7665222c22737461747573223a22415050524f564544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 30, 9, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2272656a6563746564222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a226f6c6761222c226b696e64223a22504552534f4e227d2c22617070726f76616c5f6964223a2272656a65637465642e31222c226174223a22323032362d31312d33305431323a30303a35332e3735375a222c22646967657374223a227368613235363a64626335323663383236396336333735386330333462326233356564393166366435356530323331303362306330636463303563323236353966653465646665222c22666f726d6174223a312c226b696e64223a22414354494f4e5f52454a4543544544222c2270726f706f7365645f6279223a22616461222c22726561736f6e223a224e6f742074686973207765656b2e222c2272756c696e67223a2272656a656374222c22737461747573223a2252454a4543544544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 32, 12, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a223031613232633534353436623733643839316363646534356639383964353064222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a226f6c6761222c226b696e64223a22504552534f4e227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2230316132326335343534366237336438393163636465343566393839643530642e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35332e3837305a227d2c226174223a22323032362d31312d33305431323a30303a35332e3837305a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a64613531333332313334373163626336653062656232653166616531363664626233303539336537343639613934643837653666623166306134326139666362222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a353030302c22636f6e74656e745f646967657374223a227368613235363a35343263326637313037363534383066336231333364656339656161363936326262323038333631623331316538616465393532343838633036313932646634222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22434f4e464944454e43455f544f4f5f4c4f57222c22696e70757473223a7b22636c6175736573223a5b22737572652d656e6f756768225d2c22636f6e666964656e63655f6270223a353030302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e227d5d2c22706f6c6963795f636c61757365223a5b22737572652d656e6f756768225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22434f4e464944454e43455f544f4f5f4c4f57222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a61303334666538653664373030643066656633666566656539383637396362626663306162356664613938393134356332646434346137633134356437383337222c226564697465645f6279223a226f6c6761222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2273757065727365646573223a22656469746564222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 33, 10, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a22656469746564222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a226f6c6761222c226b696e64223a22504552534f4e227d2c22617070726f76616c5f6964223a226564697465642e31222c226174223a22323032362d31312d33305431323a30303a35332e3837315a222c22646967657374223a227368613235363a30333736353738666163646437393762393866316532383630363839313666353866373266353365313763346364346332623339356235376262623234366537222c22666f726d6174223a312c226b696e64223a22414354494f4e5f52454a4543544544222c2270726f706f7365645f6279223a22616461222c2272756c696e67223a2265646974222c22737461747573223a2252454a4543544544222c22737570657273656465645f6279223a223031613232633534353436623733643839316363646534356639383964353064222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 34, 11, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2263616e63656c6c6564222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c5f6964223a2263616e63656c6c65642e31222c226174223a22323032362d31312d33305431323a30303a35332e3932355a222c22636f6465223a2257495448445241574e222c22666f726d6174223a312c226b696e64223a22414354494f4e5f43414e43454c4c4544222c22737461747573223a2243414e43454c4c4544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 35, 13, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2272756e6e696e67222c22616374696f6e5f74797065223a2249535355455f524546554e44222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a35342e3035305a222c226175746f5f6578656375746564223a747275652c2262696e64696e67223a7b22616374696f6e223a227368613235363a65353738616637343665303437666266326434303334396230616631656138303862326530636435623531643034336439623738376333633563313737393664222c22706172616d6574657273223a227368613235363a37353436663430623365396535373438343433393165613561313861383739666531326666366332376335646631633561323161663064623533333261393863222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e69737375655f726566756e64222c22746f6f6c5f736368656d61223a227368613235363a39643164313764666433643937393131353634616537633666376431326661613935396363363632336265663631366163623563633961313663303135323766227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a61303035393230326635346666313134623962313032373330343136303431393636363636363737383232383338313763663731363332646462323732663337222c226465636973696f6e223a7b226465636973696f6e223a224155544f5f45584543555445222c226578706c616e6174696f6e223a22526566756e6473206d6179206265206973737565642077697468696e207468656972206c696d6974732e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224d454449554d222c227269736b5f6c6576656c5f636174616c6f67223a224d454449554d222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e69737375655f726566756e64227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e69737375655f726566756e642e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a2249535355455f524546554e44206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22706f6c696379222c22636f6465223a22524546554e445f57495448494e5f4c494d495453222c22696e70757473223a7b22636c6175736573223a5b22726566756e6473225d2c22636f6e666964656e63655f6270223a393530302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a327d2c2273656e74656e6365223a22526566756e6473206d6179206265206973737565642077697468696e207468656972206c696d6974732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22627564676574222c22636f6465223a224255444745545f48454c44222c22696e70757473223a7b22636c61696d73223a5b7b22616d6f756e74223a312c226275636b6574223a22616374696f6e73222c226c696d6974223a32302c2275736564223a6e756c6c7d2c7b22616d6f756e74223a312c226275636b6574223a22616374696f6e733a49535355455f524546554e44222c226c696d6974223a6e756c6c2c2275736564223a6e756c6c7d2c7b22616d6f756e74223a313530302c226275636b6574223a22616d6f756e743a49535355455f524546554e44222c226c696d6974223a36303030302c2275736564223a6e756c6c7d5d2c22646179223a22323032362d31312d3330222c227a6f6e65223a224575726f70652f4265726c696e227d2c2273656e74656e6365223a22546865206175746f6e6f6d7920627564676574206f662061636d6520666f7220323032362d31312d33302068617320726f6f6d2e227d5d2c22706f6c6963795f636c61757365223a5b22726566756e6473225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22524546554e445f57495448494e5f4c494d495453222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a34626531373634386638323537613061633438366463353063346666326561306433333966363433326265653130616363376239323230616632616137313038222c22666f726d6174223a312c22686f6c64223a7b22636c61696d73223a5b5b22616374696f6e73222c315d2c5b22616374696f6e733a49535355455f524546554e44222c315d2c5b22616d6f756e743a49535355455f524546554e44222c313530305d5d2c22646179223a22323032362d31312d3330227d2c226b696e64223a22414354494f4e5f415050524f564544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a22415050524f564544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 37, 14, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2272756e6e696e672d6f6e6365222c22616374696f6e5f74797065223a2253454e445f4d41494c222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a35342e3131355a222c226175746f5f6578656375746564223a747275652c2262696e64696e67223a7b22616374696f6e223a227368613235363a65346234656165356664646335313735643262646132653837636636376537333861336233343666336165376332353435326166613136363438663761623566222c22706172616d6574657273223a227368613235363a64333266363334323333656331643735613239633536633834396133643862646539316131393363653539313632313234663764373464616331336639373139222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e73656e645f6d61696c222c22746f6f6c5f736368656d61223a227368613235363a33366230396434613132306330613134643766613963323636633131646539376238363234633435393637366238323861613466353265366363613034336339227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a65343132643938333230346662353566363565393330346231383061313233393433333832383963383764643832303039616435636263613565653734343734222c226465636973696f6e223a7b226465636973696f6e223a224155544f5f45584543555445222c226578706c616e6174696f6e223a22526f7574696e6520776f726b206f6e206163636f756e7473206d617920626520646f6e652e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a2261745f6d6f73745f6f6e6365222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e73656e645f6d61696c227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e73656e645f6d61696c2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a2253454e445f4d41494c206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22706f6c696379222c22636f6465223a22524f5554494e455f574f524b222c22696e70757473223a7b22636c6175736573223a5b226461696c792d776f726b225d2c22636f6e666964656e63655f6270223a393530302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a22526f7574696e6520776f726b206f6e206163636f756e7473206d617920626520646f6e652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22627564676574222c22636f6465223a224255444745545f48454c44222c22696e70757473223a7b22636c61696d73223a5b7b22616d6f756e74223a312c226275636b6574223a22616374696f6e73222c226c696d6974223a32302c2275736564223a6e756c6c7d2c7b22616d6f756e74223a312c226275636b6574223a22616374696f6e733a53454e445f4d41494c222c226c696d6974223a322c2275736564223a6e756c6c7d5d2c22646179223a22323032362d31312d3330222c227a6f6e65223a224575726f70652f4265726c696e227d2c2273656e74656e6365223a22546865206175746f6e6f6d7920627564676574206f662061636d6520666f7220323032362d31312d33302068617320726f6f6d2e227d5d2c22706f6c6963795f636c61757365223a5b226461696c792d776f726b225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22524f5554494e455f574f524b222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a34396263656237646335386662346461323535323263616431373531353637393637383131363866393964373965313436313433343963336463353635633665222c22666f726d6174223a312c22686f6c64223a7b22636c61696d73223a5b5b22616374696f6e73222c315d2c5b22616374696f6e733a53454e445f4d41494c222c315d5d2c22646179223a22323032362d31312d3330227d2c226b696e64223a22414354494f4e5f415050524f564544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a22415050524f564544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 39, 15, '\x7b226163636f756e745f6964223a22676c6f626578222c22616374696f6e5f696e74656e745f6964223a22617070726f7665642d62792d706f6c696379222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c5f736f75726365223a22504f4c494359222c226174223a22323032362d31312d33305431323a30303a35342e3337345a222c226175746f5f6578656375746564223a747275652c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a63323564623130666162383931306365303365353165346161633536343165393837623430313063376566666532666566316132303363303734633564613631222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a66376163323735656632613735623263666331653834313962643264646230316536633033383562336630383664653339656564396238373832333133653662222c226465636973696f6e223a7b226465636973696f6e223a224155544f5f45584543555445222c226578706c616e6174696f6e223a22526f7574696e6520776f726b206f6e206163636f756e7473206d617920626520646f6e652e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22706f6c696379222c22636f6465223a22524f5554494e455f574f524b222c22696e70757473223a7b22636c6175736573223a5b226461696c792d776f726b225d2c22636f6e666964656e63655f6270223a393530302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a22526f7574696e6520776f726b206f6e206163636f756e7473206d617920626520646f6e652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22627564676574222c22636f6465223a224255444745545f48454c44222c22696e70757473223a7b22636c61696d73223a5b7b22616d6f756e74223a312c226275636b6574223a22616374696f6e73222c226c696d6974223a312c2275736564223a6e756c6c7d2c7b22616d6f756e74223a312c226275636b6574223a22616374696f6e733a4352454154455f5441534b222c226c696d6974223a6e756c6c2c2275736564223a6e756c6c7d5d2c22646179223a22323032362d31312d3330222c227a6f6e65223a22555443227d2c2273656e74656e6365223a22546865206175746f6e6f6d7920627564676574206f6620676c6f62657820666f7220323032362d31312d33302068617320726f6f6d2e227d5d2c22706f6c6963795f636c61757365223a5b226461696c792d776f726b225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22524f5554494e455f574f524b222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a30316561333030623264646130393038363135383339333131313138626438386439663561366634396266386230333730366638623863376232663763323134222c22666f726d6174223a312c22686f6c64223a7b22636c61696d73223a5b5b22616374696f6e73222c315d2c5b22616374696f6e733a4352454154455f5441534b222c315d5d2c22646179223a22323032362d31312d3330227d2c226b696e64223a22414354494f4e5f415050524f564544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a22415050524f564544222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 40, 16, '\x7b226163636f756e745f6964223a22676c6f626578222c22616374696f6e5f696e74656e745f6964223a22617070726f7665642d62792d706572736f6e222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a22617070726f7665642d62792d706572736f6e2e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35342e3438395a227d2c226174223a22323032362d31312d33305431323a30303a35342e3438395a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a38626263323233626539316133373138613331373161303264633131636466383238663431623261326166336238623238623738373838326137386432353534222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a353030302c22636f6e74656e745f646967657374223a227368613235363a64663432663237666166383035366436353565306564336266313939616135393030646166373561396465666233313836376534303662393139376139363832222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22434f4e464944454e43455f544f4f5f4c4f57222c22696e70757473223a7b22636c6175736573223a5b22737572652d656e6f756768225d2c22636f6e666964656e63655f6270223a353030302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e227d5d2c22706f6c6963795f636c61757365223a5b22737572652d656e6f756768225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22434f4e464944454e43455f544f4f5f4c4f57222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a62616262653932373436623836333765613964663761303536313761666665643633643335646436333665346161386231373366333239343461626533643761222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 42, 17, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2277616974732d756e73757265222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2277616974732d756e737572652e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35342e3637375a227d2c226174223a22323032362d31312d33305431323a30303a35342e3637375a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a63613430396565313361366334643762626133653063396531326561643136656264623164353031633765353639386163333865643839343036663232343635222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a353030302c22636f6e74656e745f646967657374223a227368613235363a32633730353362626330623163643434393139663039396139303762376436343635643332666535356336373636353432303938626631666135623061666636222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22434f4e464944454e43455f544f4f5f4c4f57222c22696e70757473223a7b22636c6175736573223a5b22737572652d656e6f756768225d2c22636f6e666964656e63655f6270223a353030302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e227d5d2c22706f6c6963795f636c61757365223a5b22737572652d656e6f756768225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22434f4e464944454e43455f544f4f5f4c4f57222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a64393138333563613132306339343531383539373861366133343165663839626661373732326531663033626164643130326138653536323062373230336262222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 43, 18, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2277616974732d776974682d612d6672616374696f6e222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2277616974732d776974682d612d6672616374696f6e2e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35342e3732365a227d2c226174223a22323032362d31312d33305431323a30303a35342e3732365a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a65633066313762633938623234353532383766323462623734613133373033623932333937613062613237626134353633343534626666626133633535663238222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a353030302c22636f6e74656e745f646967657374223a227368613235363a62623362333536396165333265643062316238633765373033383438613931366133383435363130643433386266336333346265613037633863623731623638222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22434f4e464944454e43455f544f4f5f4c4f57222c22696e70757473223a7b22636c6175736573223a5b22737572652d656e6f756768225d2c22636f6e666964656e63655f6270223a353030302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e227d5d2c22706f6c6963795f636c61757365223a5b22737572652d656e6f756768225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22434f4e464944454e43455f544f4f5f4c4f57222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a35366537383865613939663539333732306330626630326135333363326438613437623339396230396430393330366266313463626138636361636332333032222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 44, 19, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2277616974732d756e74696c2d32303939222c22616374696f6e5f74797065223a224352454154455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2277616974732d756e74696c2d323039392e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35342e3830355a227d2c226174223a22323032362d31312d33305431323a30303a35342e3830355a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a30646161616230303563653562643462656533303039363936613461663966623437336138363337666135333261313565313137386236343037363733343164222c22706172616d6574657273223a227368613235363a34633534393538396338373436653238653562353766306434623333306237366539326535323938626331663262303435346663373139393736326462376464222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e6372656174655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a37376363663533393264303761643563323436646535643232326234336233333831643966616336323336623562323931653862333035653232363736336636227d2c22636f6e666964656e63655f6270223a353030302c22636f6e74656e745f646967657374223a227368613235363a32633838313038623466303836666632643039306230393066396239363230373336643132313332653065336538346630343464336431326362373765386464222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b22657870697265735f6174223a22323039392d30312d30315430303a30303a30302e3030305a227d2c2273656e74656e6365223a2254686520696e74656e74206578706972657320617420323039392d30312d30315430303a30303a30302e3030305a2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e6372656174655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e6372656174655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a224352454154455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22434f4e464944454e43455f544f4f5f4c4f57222c22696e70757473223a7b22636c6175736573223a5b22737572652d656e6f756768225d2c22636f6e666964656e63655f6270223a353030302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e227d5d2c22706f6c6963795f636c61757365223a5b22737572652d656e6f756768225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22434f4e464944454e43455f544f4f5f4c4f57222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a61323366616136333964636138336665313635376662376662326334393031333130623231633439353563393264303232396431323263383662616236353434222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 45, 20, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2277616974732d666f722d612d6c617267652d726566756e64222c22616374696f6e5f74797065223a2249535355455f524546554e44222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2277616974732d666f722d612d6c617267652d726566756e642e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35342e3838385a227d2c226174223a22323032362d31312d33305431323a30303a35342e3838385a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a65353738616637343665303437666266326434303334396230616631656138303862326530636435623531643034336439623738376333633563313737393664222c22706172616d6574657273223a227368613235363a37353337393265373265633236383039373130323566623239393936356663306363373766373039306364623037393837636263326637323033393136643838222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e69737375655f726566756e64222c22746f6f6c5f736368656d61223a227368613235363a39643164313764666433643937393131353634616537633666376431326661613935396363363632336265663631366163623563633961313663303135323766227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a34326537386534396434323063626436366132306664666535363930336636363337626639373435666365373739373033636233326565386132353533613632222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a22526566756e64732061626f7665203230302e3030206e656564206120706572736f6e2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226b65796564222c227269736b5f6c6576656c223a224d454449554d222c227269736b5f6c6576656c5f636174616c6f67223a224d454449554d222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e69737375655f726566756e64227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e69737375655f726566756e642e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a2249535355455f524546554e44206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22524546554e445f4f5645525f534f46545f434150222c22696e70757473223a7b22636c6175736573223a5b226c617267652d726566756e64225d2c22636f6e666964656e63655f6270223a393530302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a327d2c2273656e74656e6365223a22526566756e64732061626f7665203230302e3030206e656564206120706572736f6e2e227d5d2c22706f6c6963795f636c61757365223a5b226c617267652d726566756e64225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22524546554e445f4f5645525f534f46545f434150222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a64326438393639353031333762616336653938353533333538303066366631626434386132323461383436326334383830336438393463373261663031366236222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 46, 21, '\x7b226163636f756e745f6964223a22696e6974656368222c22616374696f6e5f696e74656e745f6964223a2277616974732d62792d6d6f6465222c22616374696f6e5f74797065223a2253454e445f4d41494c222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2277616974732d62792d6d6f64652e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35352e3033365a227d2c226174223a22323032362d31312d33305431323a30303a35352e3033365a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a65346234656165356664646335313735643262646132653837636636376537333861336233343666336165376332353435326166613136363438663761623566222c22706172616d6574657273223a227368613235363a64643464323838373633383131306334333738386335376631323535303064343734623538663163363866613834396566383065363435616461633566323535222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e73656e645f6d61696c222c22746f6f6c5f736368656d61223a227368613235363a33366230396434613132306330613134643766613963323636633131646539376238363234633435393637366238323861613466353265366363613034336339227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a66333930303031396639646433336362356164323966626530376630363266666339336663346132323363323932376563303038656463343265323031323334222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a22546865206175746f6e6f6d79206d6f64652069732050524f504f53455f4f4e4c59202866726f6d3a206163636f756e742064656661756c74292e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a2261745f6d6f73745f6f6e6365222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e73656e645f6d61696c227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e73656e645f6d61696c2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a2253454e445f4d41494c206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f50524f504f53455f4f4e4c59222c22696e70757473223a7b226d6f6465223a2250524f504f53455f4f4e4c59222c22736f75726365223a226163636f756e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f64652069732050524f504f53455f4f4e4c59202866726f6d3a206163636f756e742064656661756c74292e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22706f6c696379222c22636f6465223a22524f5554494e455f574f524b222c22696e70757473223a7b22636c6175736573223a5b226461696c792d776f726b225d2c22636f6e666964656e63655f6270223a393530302c226572726f7273223a302c226d6f6465223a2250524f504f53455f4f4e4c59222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a22526f7574696e6520776f726b206f6e206163636f756e7473206d617920626520646f6e652e227d5d2c22706f6c6963795f636c61757365223a5b226461696c792d776f726b225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a224d4f44455f50524f504f53455f4f4e4c59222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a36363530633034353762663564376161343433636563626339333431333562366564353566366235313736313738663965646131376263633265323035633135222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 47, 22, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2277616974732d62792d627564676574222c22616374696f6e5f74797065223a2253454e445f4d41494c222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2277616974732d62792d6275646765742e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35352e3136305a227d2c226174223a22323032362d31312d33305431323a30303a35352e3136305a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a65346234656165356664646335313735643262646132653837636636376537333861336233343666336165376332353435326166613136363438663761623566222c22706172616d6574657273223a227368613235363a34613232343361313035633965376336656262326664616339386662626637376432346465653266333765366537353762353032353532336261383661353330222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e73656e645f6d61696c222c22746f6f6c5f736368656d61223a227368613235363a33366230396434613132306330613134643766613963323636633131646539376238363234633435393637366238323861613466353265366363613034336339227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a36633733366565666537333565386433353064663365373063393135666563653730373930373433643934326137646462373766633765336262323361346235222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a22546865206175746f6e6f6d7920627564676574206f662061636d6520666f7220323032362d31312d3330206861732032206f66203220757365642028616374696f6e733a53454e445f4d41494c293b2074686973206e656564732031206d6f72652e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a2261745f6d6f73745f6f6e6365222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e73656e645f6d61696c227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e73656e645f6d61696c2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a2253454e445f4d41494c206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22706f6c696379222c22636f6465223a22524f5554494e455f574f524b222c22696e70757473223a7b22636c6175736573223a5b226461696c792d776f726b225d2c22636f6e666964656e63655f6270223a393530302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a22526f7574696e6520776f726b206f6e206163636f756e7473206d617920626520646f6e652e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22627564676574222c22636f6465223a224255444745545f4558434545444544222c22696e70757473223a7b22636c61696d73223a5b7b22616d6f756e74223a312c226275636b6574223a22616374696f6e73222c226c696d6974223a32302c2275736564223a357d2c7b22616d6f756e74223a312c226275636b6574223a22616374696f6e733a53454e445f4d41494c222c226c696d6974223a322c2275736564223a327d5d2c22646179223a22323032362d31312d3330222c227a6f6e65223a224575726f70652f4265726c696e227d2c2273656e74656e6365223a22546865206175746f6e6f6d7920627564676574206f662061636d6520666f7220323032362d31312d3330206861732032206f66203220757365642028616374696f6e733a53454e445f4d41494c293b2074686973206e656564732031206d6f72652e227d5d2c22706f6c6963795f636c61757365223a5b226461696c792d776f726b225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a224255444745545f4558434545444544222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a62646537313136363739616634656262363937643066386430636239313838333537643665313864306364353134363766663831616165333232636235663638222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 48, 23, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2277616974732d62792d616c6c6f776c697374222c22616374696f6e5f74797065223a225550444154455f4649454c44222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2277616974732d62792d616c6c6f776c6973742e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35352e3232385a227d2c226174223a22323032362d31312d33305431323a30303a35352e3232385a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a34313264633363393462323134626433303337663466643164663664633063626333333230366362643530623163653439663634323562663666396332653365222c22706172616d6574657273223a227368613235363a34386333656364383236326331613231623531393738396364383932373664643366653031633864316633323738643139623532383935353664626534343831222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e7570646174655f6669656c64222c22746f6f6c5f736368656d61223a227368613235363a36626535373830643438366462306532626537636130656365373965363263376463353439303037616661653964316165663266666139636134656235626563227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a32383638626335656163386431323239363437366134353836616238623530353137323062373666656564386135363931633166393561303166613135303463222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a225550444154455f4649454c44206973206e6f74206f6e2074686520616c6c6f776c697374206f662077686174206d61792072756e20756e617474656e6465642e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226964656d706f74656e74222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e7570646174655f6669656c64227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e7570646174655f6669656c642e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414354494f4e5f545950455f4e4f545f414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a225550444154455f4649454c44206973206e6f74206f6e2074686520616c6c6f776c697374206f662077686174206d61792072756e20756e617474656e6465642e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22706f6c696379222c22636f6465223a22524f5554494e455f574f524b222c22696e70757473223a7b22636c6175736573223a5b226461696c792d776f726b225d2c22636f6e666964656e63655f6270223a393530302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a22526f7574696e6520776f726b206f6e206163636f756e7473206d617920626520646f6e652e227d5d2c22706f6c6963795f636c61757365223a5b226461696c792d776f726b225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22414354494f4e5f545950455f4e4f545f414c4c4f574c4953544544222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a35343364653337636137396532363462313661353165363430626334666364366263363238643561636536363465643635353865666539306565353861613634222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 49, 24, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2277616974732d62792d737769746368222c22616374696f6e5f74797065223a2244454c4554455f5441534b222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2277616974732d62792d7377697463682e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35352e3331345a227d2c226174223a22323032362d31312d33305431323a30303a35352e3331345a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a32633735346137376531313535363238646661333739336361376132376363376634663639393335353961343361353336336464383531306163313639663839222c22706172616d6574657273223a227368613235363a35393938333761623736313437393736633564333833643930653136666433386265613738343936326531323830303731326263646635303137613737376163222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e64656c6574655f7461736b222c22746f6f6c5f736368656d61223a227368613235363a33393239356239323062353264396265366236653561303164383562343165613238656534353737623735353135623732626339623164373061626561623234227d2c22636f6e666964656e63655f6270223a393530302c22636f6e74656e745f646967657374223a227368613235363a35643563656165633761623861643534346561636136393635663631356338656237356430353963356639336664643364646634656666353039353739636135222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a225468652073746f702073776974636820666f7220616374696f6e20747970652044454c4554455f5441534b206973206f6e2e222c2266696e64696e6773223a5b7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a2273746f705f737769746368222c22636f6465223a2253544f505f5357495443485f4f4e222c22696e70757473223a7b226c6576656c223a22484f4c44222c2273636f7065223a22414354494f4e5f54595045222c227375626a656374223a2244454c4554455f5441534b227d2c2273656e74656e6365223a225468652073746f702073776974636820666f7220616374696f6e20747970652044454c4554455f5441534b206973206f6e2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226964656d706f74656e74222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e64656c6574655f7461736b227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e64656c6574655f7461736b2e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a2244454c4554455f5441534b206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22706f6c696379222c22636f6465223a22524f5554494e455f574f524b222c22696e70757473223a7b22636c6175736573223a5b226461696c792d776f726b225d2c22636f6e666964656e63655f6270223a393530302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a22526f7574696e6520776f726b206f6e206163636f756e7473206d617920626520646f6e652e227d5d2c22706f6c6963795f636c61757365223a5b226461696c792d776f726b225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a2253544f505f5357495443485f4f4e222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a37396430316235613165316466346332313765333039326637633066373638636234303331616465386232623530633431303366633435363437363261383031222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d'),
	('northwind', 50, 25, '\x7b226163636f756e745f6964223a2261636d65222c22616374696f6e5f696e74656e745f6964223a2277616974732d62792d70696e222c22616374696f6e5f74797065223a2252454e414d455f4143434f554e54222c226163746f72223a7b226964223a22616461222c226b696e64223a224147454e54227d2c22617070726f76616c223a7b22617070726f76616c5f6964223a2277616974732d62792d70696e2e31222c22657870697265735f6174223a22323032362d31322d30335431323a30303a35352e3431305a227d2c226174223a22323032362d31312d33305431323a30303a35352e3431305a222c2262696e64696e67223a7b22616374696f6e223a227368613235363a36323465613566363839663536353933343663333862363935303434316536613938373935303565623337323031383562653630326563313965633635616133222c22706172616d6574657273223a227368613235363a63333533656433313132366361623561363462646238613935613532383763326663663532373563343361333064653433326232353134363033316663313435222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22746f6f6c223a2263726d2e72656e616d655f6163636f756e74222c22746f6f6c5f736368656d61223a227368613235363a32646538623963666134323530383661383737656662373732643137306230663637626331663861323939363561346534373834316335393062346265336461227d2c22636f6e666964656e63655f6270223a353030302c22636f6e74656e745f646967657374223a227368613235363a64663564353862343666306637306262353434643061323766313532326164383962373163313962343466316532663065373739653365373533366262633936222c226465636973696f6e223a7b226465636973696f6e223a22524551554952455f415050524f56414c222c226578706c616e6174696f6e223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e222c2266696e64696e6773223a5b7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a2273746f705f737769746368222c22636f6465223a224e4f545f53544f50504544222c22696e70757473223a7b7d2c2273656e74656e6365223a224e6f2073746f702073776974636820636f7665727320746869732e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22657870697279222c22636f6465223a224e4f545f45585049524544222c22696e70757473223a7b7d2c2273656e74656e6365223a2254686520696e74656e7420646f6573206e6f74206578706972652e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22636174616c6f67222c22636f6465223a224b4e4f574e5f414354494f4e222c22696e70757473223a7b22656666656374223a226964656d706f74656e74222c227269736b5f6c6576656c223a224c4f57222c227269736b5f6c6576656c5f636174616c6f67223a224c4f57222c227269736b5f6c6576656c5f696e74656e74223a224c4f57222c22746f6f6c223a2263726d2e72656e616d655f6163636f756e74227d2c2273656e74656e6365223a2254686520636174616c6f6720686173207468697320616374696f6e3b2074686520746f6f6c2069732063726d2e72656e616d655f6163636f756e742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a22616c6c6f776c697374222c22636f6465223a22414c4c4f574c4953544544222c22696e70757473223a7b7d2c2273656e74656e6365223a2252454e414d455f4143434f554e54206973206f6e2074686520616c6c6f776c6973742e227d2c7b22616e73776572223a224155544f5f45584543555445222c22636865636b223a226d6f6465222c22636f6465223a224d4f44455f4155544f5f45584543555445222c22696e70757473223a7b226d6f6465223a224155544f5f45584543555445222c22736f75726365223a2274656e616e742064656661756c74227d2c2273656e74656e6365223a22546865206175746f6e6f6d79206d6f6465206973204155544f5f45584543555445202866726f6d3a2074656e616e742064656661756c74292e227d2c7b22616e73776572223a22524551554952455f415050524f56414c222c22636865636b223a22706f6c696379222c22636f6465223a22434f4e464944454e43455f544f4f5f4c4f57222c22696e70757473223a7b22636c6175736573223a5b22737572652d656e6f756768225d2c22636f6e666964656e63655f6270223a353030302c226572726f7273223a302c226d6f6465223a224155544f5f45584543555445222c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c227269736b223a317d2c2273656e74656e6365223a2242656c6f77206120636f6e666964656e6365206f6620302e3830206120706572736f6e206d757374206c6f6f6b2e227d5d2c22706f6c6963795f636c61757365223a5b22737572652d656e6f756768225d2c22706f6c6963795f76657273696f6e223a227368613235363a34383638653438393931356466346135333264613264363838313732376464623330333130396166633031633132613438633038623161613235636534333962222c22726561736f6e223a22434f4e464944454e43455f544f4f5f4c4f57222c2273657474696e67735f76657273696f6e223a5b332c325d7d2c22646967657374223a227368613235363a36396665353036376232396439363437626434383762323939383461613365336535376665653037656239336263613131633434636262633364633239393738222c22666f726d6174223a312c226b696e64223a22415050524f56414c5f524551554553544544222c2270726f706f7365645f6279223a22616461222c227269736b5f6c6576656c223a224c4f57222c22737461747573223a224157414954494e475f415050524f56414c222c2274656e616e745f6964223a226e6f72746877696e64227d');


--
-- Data for Name: migration; Type: TABLE DATA; Schema: clearance; Owner: -
--

INSERT INTO clearance.migration VALUES
	(1, '0001_first', 1, '2026-11-30 14:13:54.306257+00');


--
-- Data for Name: page_session; Type: TABLE DATA; Schema: clearance; Owner: -
--



--
-- Data for Name: settings; Type: TABLE DATA; Schema: clearance; Owner: -
--

INSERT INTO clearance.settings VALUES
	('northwind', 1, '{"tool_servers":{"crm":{"command":["${KEPT_PYTHON}","-S","-E","${KEPT_CRM}"],"environment":{"KEPT_DB":"${KEPT_DB}","KEPT_DAY":"${KEPT_DAY}"},"deadline_seconds":10}},"catalog":{"CREATE_TASK":{"tool":"crm.create_task","risk_level":"LOW","effect":"keyed","parameters":{"type":"object","required":["title"],"properties":{"title":{"type":"string","maxLength":200},"hours":{"type":"number","x-scale":100,"minimum":0,"maximum":100}},"additionalProperties":false},"sentence":"created the task ''{title}'' for {account_id}","proposal":"create the task ''{title}'' for {account_id}","arguments":{"account":"{account_id}"},"idempotency_argument":"request_id","undo":{"tool":"crm.delete_task","arguments":{"title":"{title}","account":"{account_id}"},"within":"24h"}},"DELETE_TASK":{"tool":"crm.delete_task","risk_level":"LOW","effect":"idempotent","parameters":{"type":"object","required":["title"],"properties":{"title":{"type":"string","maxLength":200}},"additionalProperties":false},"sentence":"deleted the task ''{title}'' of {account_id}","arguments":{"account":"{account_id}"}},"ISSUE_REFUND":{"tool":"crm.issue_refund","risk_level":"MEDIUM","effect":"keyed","parameters":{"type":"object","required":["order_id","amount_minor"],"properties":{"order_id":{"type":"string","maxLength":40},"amount_minor":{"type":"integer","minimum":1,"maximum":10000000}},"additionalProperties":false},"sentence":"refunded {amount_minor} cents of {order_id} to {account_id}","proposal":"refund {amount_minor} cents of {order_id} to {account_id}","arguments":{"account":"{account_id}"},"idempotency_argument":"request_id","spends":"amount_minor"},"RENAME_ACCOUNT":{"tool":"crm.rename_account","risk_level":"LOW","effect":"idempotent","parameters":{"type":"object","required":["name"],"properties":{"name":{"type":"string","maxLength":200}},"additionalProperties":false},"sentence":"renamed {account_id} to ''{name}''","arguments":{"account":"{account_id}"}},"SEND_MAIL":{"tool":"crm.send_mail","risk_level":"LOW","effect":"at_most_once","parameters":{"type":"object","required":["to","subject","body"],"properties":{"to":{"type":"string","format":"email","maxLength":200},"subject":{"type":"string","maxLength":200},"body":{"type":"string","maxLength":5000}},"additionalProperties":false},"sentence":"sent ''{subject}'' to {to}","proposal":"send ''{subject}'' to {to}","arguments":{"account":"{account_id}"}},"UPDATE_FIELD":{"tool":"crm.update_field","risk_level":"LOW","effect":"idempotent","parameters":{"type":"object","required":["field","value"],"properties":{"field":{"enum":["stage","owner"],"type":"string"},"value":{"type":"string","maxLength":200}},"additionalProperties":false},"sentence":"set {field} of {account_id} to ''{value}''","arguments":{"account":"{account_id}"}}},"autonomy":{"allowlist":{"tenant":["CREATE_TASK","DELETE_TASK","ISSUE_REFUND","RENAME_ACCOUNT","SEND_MAIL"],"accounts":{"initech":["UPDATE_FIELD"]}},"modes":[{"mode":"AUTO_EXECUTE"},{"mode":"PROPOSE_ONLY","account":"initech"},{"mode":"DISABLED","account":"globex","action_type":"SEND_MAIL"}],"budgets":[{"max_per_day":50},{"max_per_day":20,"zone":"Europe/Berlin","account":"acme","max_per_day_by_action_type":{"SEND_MAIL":2},"max_amount_per_day_by_action_type":{"ISSUE_REFUND":60000}},{"max_per_day":1,"account":"globex"}]},"policy":"@id(\"daily-work\") @reason(\"ROUTINE_WORK\") @explanation(\"Routine work on accounts may be done.\")\npermit(\n    principal,\n    action in [Action::\"CREATE_TASK\", Action::\"DELETE_TASK\", Action::\"RENAME_ACCOUNT\", Action::\"SEND_MAIL\", Action::\"UPDATE_FIELD\"],\n    resource\n);\n\n@id(\"refunds\") @reason(\"REFUND_WITHIN_LIMITS\") @explanation(\"Refunds may be issued within their limits.\")\npermit(principal, action == Action::\"ISSUE_REFUND\", resource);\n\n@id(\"sure-enough\") @reason(\"CONFIDENCE_TOO_LOW\") @explanation(\"Below a confidence of 0.80 a person must look.\")\nforbid(principal, action, resource) when { context.unattended && context.confidence_bp < 8000 };\n\n@id(\"large-refund\") @reason(\"REFUND_OVER_SOFT_CAP\") @explanation(\"Refunds above 200.00 need a person.\")\nforbid(principal, action == Action::\"ISSUE_REFUND\", resource)\nwhen { context.unattended && context.parameters.amount_minor > 20000 };\n\n@id(\"absurd-refund\") @reason(\"REFUND_OVER_HARD_CAP\") @explanation(\"Refunds above 2,000.00 are not issued by agents.\")\nforbid(principal, action == Action::\"ISSUE_REFUND\", resource) when { context.parameters.amount_minor > 200000 };\n"}', 1796040034192),
	('northwind', 2, '{"tool_servers":{"crm":{"command":["${KEPT_PYTHON}","-S","-E","${KEPT_CRM}"],"environment":{"KEPT_DB":"${KEPT_DB}","KEPT_DAY":"${KEPT_DAY}"},"deadline_seconds":10}},"catalog":{"CREATE_TASK":{"tool":"crm.create_task","risk_level":"LOW","effect":"keyed","parameters":{"type":"object","required":["title"],"properties":{"title":{"type":"string","maxLength":200},"hours":{"type":"number","x-scale":100,"minimum":0,"maximum":100}},"additionalProperties":false},"sentence":"created the task ''{title}'' for {account_id}","proposal":"create the task ''{title}'' for {account_id}","arguments":{"account":"{account_id}"},"idempotency_argument":"request_id","undo":{"tool":"crm.delete_task","arguments":{"title":"{title}","account":"{account_id}"},"within":"24h"}},"DELETE_TASK":{"tool":"crm.delete_task","risk_level":"LOW","effect":"idempotent","parameters":{"type":"object","required":["title"],"properties":{"title":{"type":"string","maxLength":200}},"additionalProperties":false},"sentence":"deleted the task ''{title}'' of {account_id}","arguments":{"account":"{account_id}"}},"ISSUE_REFUND":{"tool":"crm.issue_refund","risk_level":"MEDIUM","effect":"keyed","parameters":{"type":"object","required":["order_id","amount_minor"],"properties":{"order_id":{"type":"string","maxLength":40},"amount_minor":{"type":"integer","minimum":1,"maximum":10000000}},"additionalProperties":false},"sentence":"refunded {amount_minor} cents of {order_id} to {account_id}","proposal":"refund {amount_minor} cents of {order_id} to {account_id}","arguments":{"account":"{account_id}"},"idempotency_argument":"request_id","spends":"amount_minor"},"RENAME_ACCOUNT":{"tool":"crm.rename_account","risk_level":"LOW","effect":"idempotent","parameters":{"type":"object","required":["name"],"properties":{"name":{"type":"string","maxLength":200}},"additionalProperties":false},"sentence":"renamed {account_id} to ''{name}''","arguments":{"account":"{account_id}"}},"SEND_MAIL":{"tool":"crm.send_mail","risk_level":"LOW","effect":"at_most_once","parameters":{"type":"object","required":["to","subject","body"],"properties":{"to":{"type":"string","format":"email","maxLength":200},"subject":{"type":"string","maxLength":200},"body":{"type":"string","maxLength":5000}},"additionalProperties":false},"sentence":"sent ''{subject}'' to {to}","proposal":"send ''{subject}'' to {to}","arguments":{"account":"{account_id}"}},"UPDATE_FIELD":{"tool":"crm.update_field","risk_level":"LOW","effect":"idempotent","parameters":{"type":"object","required":["field","value"],"properties":{"field":{"enum":["stage","owner"],"type":"string"},"value":{"type":"string","maxLength":200}},"additionalProperties":false},"sentence":"set {field} of {account_id} to ''{value}''","arguments":{"account":"{account_id}"}}},"autonomy":{"allowlist":{"tenant":["CREATE_TASK","DELETE_TASK","ISSUE_REFUND","RENAME_ACCOUNT","SEND_MAIL"],"accounts":{"initech":["UPDATE_FIELD"]}},"modes":[{"mode":"AUTO_EXECUTE"},{"mode":"PROPOSE_ONLY","account":"initech"},{"mode":"DISABLED","account":"globex","action_type":"SEND_MAIL"}],"budgets":[{"max_per_day":50},{"max_per_day":20,"zone":"Europe/Berlin","account":"acme","max_per_day_by_action_type":{"SEND_MAIL":2},"max_amount_per_day_by_action_type":{"ISSUE_REFUND":60000}},{"max_per_day":1,"account":"globex"}]},"policy":"@id(\"daily-work\") @reason(\"ROUTINE_WORK\") @explanation(\"Routine work on accounts may be done.\")\npermit(\n    principal,\n    action in [Action::\"CREATE_TASK\", Action::\"DELETE_TASK\", Action::\"RENAME_ACCOUNT\", Action::\"SEND_MAIL\", Action::\"UPDATE_FIELD\"],\n    resource\n);\n\n@id(\"refunds\") @reason(\"REFUND_WITHIN_LIMITS\") @explanation(\"Refunds may be issued within their limits.\")\npermit(principal, action == Action::\"ISSUE_REFUND\", resource);\n\n@id(\"sure-enough\") @reason(\"CONFIDENCE_TOO_LOW\") @explanation(\"Below a confidence of 0.80 a person must look.\")\nforbid(principal, action, resource) when { context.unattended && context.confidence_bp < 8000 };\n\n@id(\"large-refund\") @reason(\"REFUND_OVER_SOFT_CAP\") @explanation(\"Refunds above 200.00 need a person.\")\nforbid(principal, action == Action::\"ISSUE_REFUND\", resource)\nwhen { context.unattended && context.parameters.amount_minor > 20000 };\n\n@id(\"absurd-refund\") @reason(\"REFUND_OVER_HARD_CAP\") @explanation(\"Refunds above 2,000.00 are not issued by agents.\")\nforbid(principal, action == Action::\"ISSUE_REFUND\", resource) when { context.parameters.amount_minor > 200000 };\n","tool_pins":{"crm.create_task":"sha256:77ccf5392d07ad5c246de5d222b43b3381d9fac6236b5b291e8b305e226763f6","crm.delete_task":"sha256:39295b920b52d9be6b6e5a01d85b41ea28ee4577b75515b72bc9b1d70abeab24","crm.issue_refund":"sha256:9d1d17dfd3d97911564ae7c6f7d12faa959cc6623bef616acb5cc9a16c01527f","crm.rename_account":"sha256:2de8b9cfa425086a877efb772d170b0f67bc1f8a29965a4e47841c590b4be3da","crm.send_mail":"sha256:36b09d4a120c0a14d7fa9c266c11de97b8624c459676b828aa4f52e6cca043c9","crm.update_field":"sha256:6be5780d486db0e2be7ca0ece79e62c7dc549007afae9d1aef2ffa9ca4eb5bec"}}', 1796040034259),
	('*', 1, '{"stop_switches":[{"scope":"GLOBAL","subject":null,"level":"HOLD","reason":"A drill."}]}', 1796040045034),
	('*', 2, '{"stop_switches":[]}', 1796040047773),
	('northwind', 3, '{"tool_servers":{"crm":{"command":["${KEPT_PYTHON}","-S","-E","${KEPT_CRM}"],"environment":{"KEPT_DB":"${KEPT_DB}","KEPT_DAY":"${KEPT_DAY}"},"deadline_seconds":10}},"catalog":{"CREATE_TASK":{"tool":"crm.create_task","risk_level":"LOW","effect":"keyed","parameters":{"type":"object","required":["title"],"properties":{"title":{"type":"string","maxLength":200},"hours":{"type":"number","x-scale":100,"minimum":0,"maximum":100}},"additionalProperties":false},"sentence":"created the task ''{title}'' for {account_id}","proposal":"create the task ''{title}'' for {account_id}","arguments":{"account":"{account_id}"},"idempotency_argument":"request_id","undo":{"tool":"crm.delete_task","arguments":{"title":"{title}","account":"{account_id}"},"within":"24h"}},"DELETE_TASK":{"tool":"crm.delete_task","risk_level":"LOW","effect":"idempotent","parameters":{"type":"object","required":["title"],"properties":{"title":{"type":"string","maxLength":200}},"additionalProperties":false},"sentence":"deleted the task ''{title}'' of {account_id}","arguments":{"account":"{account_id}"}},"ISSUE_REFUND":{"tool":"crm.issue_refund","risk_level":"MEDIUM","effect":"keyed","parameters":{"type":"object","required":["order_id","amount_minor"],"properties":{"order_id":{"type":"string","maxLength":40},"amount_minor":{"type":"integer","minimum":1,"maximum":10000000}},"additionalProperties":false},"sentence":"refunded {amount_minor} cents of {order_id} to {account_id}","proposal":"refund {amount_minor} cents of {order_id} to {account_id}","arguments":{"account":"{account_id}"},"idempotency_argument":"request_id","spends":"amount_minor"},"RENAME_ACCOUNT":{"tool":"crm.rename_account","risk_level":"LOW","effect":"idempotent","parameters":{"type":"object","required":["name"],"properties":{"name":{"type":"string","maxLength":200}},"additionalProperties":false},"sentence":"renamed {account_id} to ''{name}''","arguments":{"account":"{account_id}"}},"SEND_MAIL":{"tool":"crm.send_mail","risk_level":"LOW","effect":"at_most_once","parameters":{"type":"object","required":["to","subject","body"],"properties":{"to":{"type":"string","format":"email","maxLength":200},"subject":{"type":"string","maxLength":200},"body":{"type":"string","maxLength":5000}},"additionalProperties":false},"sentence":"sent ''{subject}'' to {to}","proposal":"send ''{subject}'' to {to}","arguments":{"account":"{account_id}"}},"UPDATE_FIELD":{"tool":"crm.update_field","risk_level":"LOW","effect":"idempotent","parameters":{"type":"object","required":["field","value"],"properties":{"field":{"enum":["stage","owner"],"type":"string"},"value":{"type":"string","maxLength":200}},"additionalProperties":false},"sentence":"set {field} of {account_id} to ''{value}''","arguments":{"account":"{account_id}"}}},"autonomy":{"allowlist":{"tenant":["CREATE_TASK","DELETE_TASK","ISSUE_REFUND","RENAME_ACCOUNT","SEND_MAIL"],"accounts":{"initech":["UPDATE_FIELD"]}},"modes":[{"mode":"AUTO_EXECUTE"},{"mode":"PROPOSE_ONLY","account":"initech"},{"mode":"DISABLED","account":"globex","action_type":"SEND_MAIL"}],"budgets":[{"max_per_day":50},{"max_per_day":20,"zone":"Europe/Berlin","account":"acme","max_per_day_by_action_type":{"SEND_MAIL":2},"max_amount_per_day_by_action_type":{"ISSUE_REFUND":60000}},{"max_per_day":1,"account":"globex"}]},"policy":"@id(\"daily-work\") @reason(\"ROUTINE_WORK\") @explanation(\"Routine work on accounts may be done.\")\npermit(\n    principal,\n    action in [Action::\"CREATE_TASK\", Action::\"DELETE_TASK\", Action::\"RENAME_ACCOUNT\", Action::\"SEND_MAIL\", Action::\"UPDATE_FIELD\"],\n    resource\n);\n\n@id(\"refunds\") @reason(\"REFUND_WITHIN_LIMITS\") @explanation(\"Refunds may be issued within their limits.\")\npermit(principal, action == Action::\"ISSUE_REFUND\", resource);\n\n@id(\"sure-enough\") @reason(\"CONFIDENCE_TOO_LOW\") @explanation(\"Below a confidence of 0.80 a person must look.\")\nforbid(principal, action, resource) when { context.unattended && context.confidence_bp < 8000 };\n\n@id(\"large-refund\") @reason(\"REFUND_OVER_SOFT_CAP\") @explanation(\"Refunds above 200.00 need a person.\")\nforbid(principal, action == Action::\"ISSUE_REFUND\", resource)\nwhen { context.unattended && context.parameters.amount_minor > 20000 };\n\n@id(\"absurd-refund\") @reason(\"REFUND_OVER_HARD_CAP\") @explanation(\"Refunds above 2,000.00 are not issued by agents.\")\nforbid(principal, action == Action::\"ISSUE_REFUND\", resource) when { context.parameters.amount_minor > 200000 };\n","tool_pins":{"crm.create_task":"sha256:77ccf5392d07ad5c246de5d222b43b3381d9fac6236b5b291e8b305e226763f6","crm.delete_task":"sha256:39295b920b52d9be6b6e5a01d85b41ea28ee4577b75515b72bc9b1d70abeab24","crm.issue_refund":"sha256:9d1d17dfd3d97911564ae7c6f7d12faa959cc6623bef616acb5cc9a16c01527f","crm.rename_account":"sha256:2de8b9cfa425086a877efb772d170b0f67bc1f8a29965a4e47841c590b4be3da","crm.send_mail":"sha256:36b09d4a120c0a14d7fa9c266c11de97b8624c459676b828aa4f52e6cca043c9","crm.update_field":"sha256:6be5780d486db0e2be7ca0ece79e62c7dc549007afae9d1aef2ffa9ca4eb5bec"},"stop_switches":[{"scope":"ACTION_TYPE","subject":"DELETE_TASK","level":"HOLD","reason":"Tasks were deleted by mistake."}]}', 1796040049030);


--
-- Data for Name: tenant; Type: TABLE DATA; Schema: clearance; Owner: -
--

INSERT INTO clearance.tenant VALUES
	('*', 2, 2),
	('northwind', 3, 50);


--
-- Data for Name: applied; Type: TABLE DATA; Schema: clearance_queue; Owner: -
--

INSERT INTO clearance_queue.applied VALUES
	('00.00.00_01_initial.sql', '2026-11-30 14:13:54.459709+00'),
	('00.05.00_01_drop_started_at_column.sql', '2026-11-30 14:13:54.459709+00'),
	('00.05.00_02_drop_started_at_column.sql', '2026-11-30 14:13:54.459709+00'),
	('00.05.00_03_drop_procrastinate_version_table.sql', '2026-11-30 14:13:54.459709+00'),
	('00.06.00_01_fix_procrastinate_fetch_job.sql', '2026-11-30 14:13:54.459709+00'),
	('00.07.01_01_fix_trigger_status_events_insert.sql', '2026-11-30 14:13:54.459709+00'),
	('00.08.01_01_add_queueing_lock_column.sql', '2026-11-30 14:13:54.459709+00'),
	('00.10.00_01_close_fetch_job_race_condition.sql', '2026-11-30 14:13:54.459709+00'),
	('00.10.00_02_add_defer_job_function.sql', '2026-11-30 14:13:54.459709+00'),
	('00.11.00_03_add_procrastinate_periodic_defers.sql', '2026-11-30 14:13:54.459709+00'),
	('00.12.00_01_add_foreign_key_index.sql', '2026-11-30 14:13:54.459709+00'),
	('00.14.00_01_add_locks_to_periodic_defer.sql', '2026-11-30 14:13:54.459709+00'),
	('00.15.02_01_fix_procrastinate_defer_periodic_job.sql', '2026-11-30 14:13:54.459709+00'),
	('00.16.00_01_add_finish_job_and_retry_job_functions.sql', '2026-11-30 14:13:54.459709+00'),
	('00.17.00_01_add_trigger_on_job_deletion.sql', '2026-11-30 14:13:54.459709+00'),
	('00.17.00_02_delete_finished_jobs.sql', '2026-11-30 14:13:54.459709+00'),
	('00.17.00_03_add_checks_to_finish_job.sql', '2026-11-30 14:13:54.459709+00'),
	('00.17.00_04_add_checks_to_retry_job.sql', '2026-11-30 14:13:54.459709+00'),
	('00.18.01_01_fix_finish_job_compat_issue.sql', '2026-11-30 14:13:54.459709+00'),
	('00.19.00_01_add_index_on_procrastinate_jobs.sql', '2026-11-30 14:13:54.459709+00'),
	('00.22.00_01_add_kwargs_to_defer_periodic_job.sql', '2026-11-30 14:13:54.459709+00'),
	('00.23.00_01_null_locks_excluded.sql', '2026-11-30 14:13:54.459709+00'),
	('01.00.00_01_remove_old_finish_job_function.sql', '2026-11-30 14:13:54.459709+00'),
	('01.01.01_01_job_id_bigint.sql', '2026-11-30 14:13:54.459709+00'),
	('02.00.03_01_add_job_priority.sql', '2026-11-30 14:13:54.459709+00'),
	('02.05.00_01_add_periodic_job_priority.sql', '2026-11-30 14:13:54.459709+00'),
	('02.06.00_01_add_cancel_states.sql', '2026-11-30 14:13:54.459709+00'),
	('02.08.00_01_add_additional_params_to_retry_job.sql', '2026-11-30 14:13:54.459709+00'),
	('02.14.01_01_add_indexes_for_fetch_job.sql', '2026-11-30 14:13:54.459709+00'),
	('03.00.00_01_pre_cancel_notification.sql', '2026-11-30 14:13:54.459709+00'),
	('03.00.00_50_post_cancel_notification.sql', '2026-11-30 14:13:54.459709+00'),
	('03.01.00_01_pre_add_heartbeat.sql', '2026-11-30 14:13:54.459709+00'),
	('03.01.00_50_post_add_heartbeat.sql', '2026-11-30 14:13:54.459709+00'),
	('03.02.00_01_pre_batch_defer_jobs.sql', '2026-11-30 14:13:54.459709+00'),
	('03.02.00_50_post_batch_defer_jobs.sql', '2026-11-30 14:13:54.459709+00'),
	('03.03.00_01_pre_priority_lock_fetch_job.sql', '2026-11-30 14:13:54.459709+00'),
	('03.04.00_01_pre_add_retry_failed_job_procedure.sql', '2026-11-30 14:13:54.459709+00'),
	('03.04.00_50_post_add_retry_failed_job_procedure.sql', '2026-11-30 14:13:54.459709+00'),
	('clearance 8ffa757cd496', '2026-11-30 14:13:54.524245+00');


--
-- Data for Name: procrastinate_events; Type: TABLE DATA; Schema: clearance_queue; Owner: -
--

INSERT INTO clearance_queue.procrastinate_events VALUES
	(9, 5, 'deferred', '2026-11-30 14:14:18.527989+00'),
	(10, 5, 'started', '2026-11-30 14:14:18.538484+00'),
	(11, 6, 'deferred', '2026-11-30 14:14:18.597084+00'),
	(12, 6, 'started', '2026-11-30 14:14:18.601268+00'),
	(13, 7, 'deferred', '2026-11-30 14:14:18.84672+00'),
	(14, 8, 'deferred', '2026-11-30 14:14:19.067779+00');


--
-- Data for Name: procrastinate_jobs; Type: TABLE DATA; Schema: clearance_queue; Owner: -
--

INSERT INTO clearance_queue.procrastinate_jobs VALUES
	(5, '9232dfd9c021c25b3ef9a49c7b6f48a5', 'carry_on', 0, NULL, 'northwind/running', '{"places": 4, "tenant_id": "northwind", "action_intent_id": "running"}', 'doing', NULL, 0, false, 1),
	(6, '9232dfd9c021c25b3ef9a49c7b6f48a5', 'carry_on', -1, NULL, 'northwind/running-once', '{"places": 4, "tenant_id": "northwind", "action_intent_id": "running-once"}', 'doing', NULL, 0, false, 1),
	(7, '9232dfd9c021c25b3ef9a49c7b6f48a5', 'carry_on', -2, NULL, 'northwind/approved-by-policy', '{"places": 4, "tenant_id": "northwind", "action_intent_id": "approved-by-policy"}', 'todo', NULL, 0, false, NULL),
	(8, '9232dfd9c021c25b3ef9a49c7b6f48a5', 'carry_on', 1073741824, NULL, 'northwind/approved-by-person', '{"places": 4, "tenant_id": "northwind", "action_intent_id": "approved-by-person"}', 'todo', NULL, 0, false, NULL);


--
-- Data for Name: procrastinate_periodic_defers; Type: TABLE DATA; Schema: clearance_queue; Owner: -
--



--
-- Data for Name: procrastinate_workers; Type: TABLE DATA; Schema: clearance_queue; Owner: -
--

INSERT INTO clearance_queue.procrastinate_workers OVERRIDING SYSTEM VALUE VALUES
	(1, '2026-11-30 14:14:17.189966+00');


--
-- Data for Name: sweeping; Type: TABLE DATA; Schema: clearance_queue; Owner: -
--

INSERT INTO clearance_queue.sweeping VALUES
	(true, 'worker-0017d96be081', '2026-11-30 14:14:23.450494+00');


--
-- Name: intent_number; Type: SEQUENCE SET; Schema: clearance; Owner: -
--

SELECT pg_catalog.setval('clearance.intent_number', 25, true);


--
-- Name: procrastinate_events_id_seq; Type: SEQUENCE SET; Schema: clearance_queue; Owner: -
--

SELECT pg_catalog.setval('clearance_queue.procrastinate_events_id_seq', 14, true);


--
-- Name: procrastinate_jobs_id_seq; Type: SEQUENCE SET; Schema: clearance_queue; Owner: -
--

SELECT pg_catalog.setval('clearance_queue.procrastinate_jobs_id_seq', 8, true);


--
-- Name: procrastinate_periodic_defers_id_seq; Type: SEQUENCE SET; Schema: clearance_queue; Owner: -
--

SELECT pg_catalog.setval('clearance_queue.procrastinate_periodic_defers_id_seq', 1, false);


--
-- Name: procrastinate_workers_id_seq; Type: SEQUENCE SET; Schema: clearance_queue; Owner: -
--

SELECT pg_catalog.setval('clearance_queue.procrastinate_workers_id_seq', 1, true);


--
-- Name: api_key api_key_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (key_id);


--
-- Name: budget_use budget_use_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.budget_use
    ADD CONSTRAINT budget_use_pkey PRIMARY KEY (tenant_id, account_id, day, bucket);


--
-- Name: installation installation_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (one);


--
-- Name: intent intent_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.intent
    ADD CONSTRAINT intent_pkey PRIMARY KEY (intent_no, created_at);


--
-- Name: intent_2026_11 intent_2026_11_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.intent_2026_11
    ADD CONSTRAINT intent_2026_11_pkey PRIMARY KEY (intent_no, created_at);


--
-- Name: intent_2026_12 intent_2026_12_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.intent_2026_12
    ADD CONSTRAINT intent_2026_12_pkey PRIMARY KEY (intent_no, created_at);


--
-- Name: intent_2027_01 intent_2027_01_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.intent_2027_01
    ADD CONSTRAINT intent_2027_01_pkey PRIMARY KEY (intent_no, created_at);


--
-- Name: intent_elsewhen intent_elsewhen_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.intent_elsewhen
    ADD CONSTRAINT intent_elsewhen_pkey PRIMARY KEY (intent_no, created_at);


--
-- Name: intent_key intent_key_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.intent_key
    ADD CONSTRAINT intent_key_pkey PRIMARY KEY (tenant_id, action_intent_id);


--
-- Name: ledger ledger_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (tenant_id, "position");


--
-- Name: migration migration_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (number);


--
-- Name: page_session page_session_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.page_session
    ADD CONSTRAINT page_session_pkey PRIMARY KEY (token_hash);


--
-- Name: settings settings_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.settings
    ADD CONSTRAINT settings_pkey PRIMARY KEY (tenant_id, version);


--
-- Name: tenant tenant_pkey; Type: CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.tenant
    ADD CONSTRAINT tenant_pkey PRIMARY KEY (tenant_id);


--
-- Name: applied applied_pkey; Type: CONSTRAINT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.applied
    ADD CONSTRAINT applied_pkey PRIMARY KEY (name);


--
-- Name: procrastinate_events procrastinate_events_pkey; Type: CONSTRAINT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.procrastinate_events
    ADD CONSTRAINT procrastinate_events_pkey PRIMARY KEY (id);


--
-- Name: procrastinate_jobs procrastinate_jobs_pkey; Type: CONSTRAINT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_pkey PRIMARY KEY (id);


--
-- Name: procrastinate_periodic_defers procrastinate_periodic_defers_pkey; Type: CONSTRAINT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_pkey PRIMARY KEY (id);


--
-- Name: procrastinate_periodic_defers procrastinate_periodic_defers_unique; Type: CONSTRAINT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_unique UNIQUE (task_name, periodic_id, defer_timestamp);


--
-- Name: procrastinate_workers procrastinate_workers_pkey; Type: CONSTRAINT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.procrastinate_workers
    ADD CONSTRAINT procrastinate_workers_pkey PRIMARY KEY (id);


--
-- Name: sweeping sweeping_pkey; Type: CONSTRAINT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.sweeping
    ADD CONSTRAINT sweeping_pkey PRIMARY KEY (only_row);


--
-- Name: api_key_name; Type: INDEX; Schema: clearance; Owner: -
--

CREATE UNIQUE INDEX api_key_name ON clearance.api_key USING btree (tenant_id, name) WHERE (revoked_at IS NULL);


--
-- Name: api_key_valid; Type: INDEX; Schema: clearance; Owner: -
--

CREATE UNIQUE INDEX api_key_valid ON clearance.api_key USING btree (key_hash) WHERE (revoked_at IS NULL);


--
-- Name: intent_due; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_due ON ONLY clearance.intent USING btree (due_at) WHERE (due_at IS NOT NULL);


--
-- Name: intent_2026_11_due_at_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2026_11_due_at_idx ON clearance.intent_2026_11 USING btree (due_at) WHERE (due_at IS NOT NULL);


--
-- Name: intent_queue; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_queue ON ONLY clearance.intent USING btree (status, intent_no) WHERE (status = ANY (ARRAY['APPROVED'::text, 'RUNNING'::text]));


--
-- Name: intent_2026_11_status_intent_no_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2026_11_status_intent_no_idx ON clearance.intent_2026_11 USING btree (status, intent_no) WHERE (status = ANY (ARRAY['APPROVED'::text, 'RUNNING'::text]));


--
-- Name: intent_under_way; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_under_way ON ONLY clearance.intent USING btree (status, tenant_id, intent_no) WHERE (status = ANY (ARRAY['AWAITING_APPROVAL'::text, 'APPROVED'::text, 'RUNNING'::text, 'UNKNOWN'::text]));


--
-- Name: intent_2026_11_status_tenant_id_intent_no_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2026_11_status_tenant_id_intent_no_idx ON clearance.intent_2026_11 USING btree (status, tenant_id, intent_no) WHERE (status = ANY (ARRAY['AWAITING_APPROVAL'::text, 'APPROVED'::text, 'RUNNING'::text, 'UNKNOWN'::text]));


--
-- Name: intent_account; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_account ON ONLY clearance.intent USING btree (tenant_id, account_id, "position");


--
-- Name: intent_2026_11_tenant_id_account_id_position_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2026_11_tenant_id_account_id_position_idx ON clearance.intent_2026_11 USING btree (tenant_id, account_id, "position");


--
-- Name: intent_timeline; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_timeline ON ONLY clearance.intent USING btree (tenant_id, "position");


--
-- Name: intent_2026_11_tenant_id_position_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2026_11_tenant_id_position_idx ON clearance.intent_2026_11 USING btree (tenant_id, "position");


--
-- Name: intent_2026_12_due_at_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2026_12_due_at_idx ON clearance.intent_2026_12 USING btree (due_at) WHERE (due_at IS NOT NULL);


--
-- Name: intent_2026_12_status_intent_no_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2026_12_status_intent_no_idx ON clearance.intent_2026_12 USING btree (status, intent_no) WHERE (status = ANY (ARRAY['APPROVED'::text, 'RUNNING'::text]));


--
-- Name: intent_2026_12_status_tenant_id_intent_no_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2026_12_status_tenant_id_intent_no_idx ON clearance.intent_2026_12 USING btree (status, tenant_id, intent_no) WHERE (status = ANY (ARRAY['AWAITING_APPROVAL'::text, 'APPROVED'::text, 'RUNNING'::text, 'UNKNOWN'::text]));


--
-- Name: intent_2026_12_tenant_id_account_id_position_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2026_12_tenant_id_account_id_position_idx ON clearance.intent_2026_12 USING btree (tenant_id, account_id, "position");


--
-- Name: intent_2026_12_tenant_id_position_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2026_12_tenant_id_position_idx ON clearance.intent_2026_12 USING btree (tenant_id, "position");


--
-- Name: intent_2027_01_due_at_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2027_01_due_at_idx ON clearance.intent_2027_01 USING btree (due_at) WHERE (due_at IS NOT NULL);


--
-- Name: intent_2027_01_status_intent_no_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2027_01_status_intent_no_idx ON clearance.intent_2027_01 USING btree (status, intent_no) WHERE (status = ANY (ARRAY['APPROVED'::text, 'RUNNING'::text]));


--
-- Name: intent_2027_01_status_tenant_id_intent_no_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2027_01_status_tenant_id_intent_no_idx ON clearance.intent_2027_01 USING btree (status, tenant_id, intent_no) WHERE (status = ANY (ARRAY['AWAITING_APPROVAL'::text, 'APPROVED'::text, 'RUNNING'::text, 'UNKNOWN'::text]));


--
-- Name: intent_2027_01_tenant_id_account_id_position_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2027_01_tenant_id_account_id_position_idx ON clearance.intent_2027_01 USING btree (tenant_id, account_id, "position");


--
-- Name: intent_2027_01_tenant_id_position_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_2027_01_tenant_id_position_idx ON clearance.intent_2027_01 USING btree (tenant_id, "position");


--
-- Name: intent_elsewhen_due_at_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_elsewhen_due_at_idx ON clearance.intent_elsewhen USING btree (due_at) WHERE (due_at IS NOT NULL);


--
-- Name: intent_elsewhen_status_intent_no_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_elsewhen_status_intent_no_idx ON clearance.intent_elsewhen USING btree (status, intent_no) WHERE (status = ANY (ARRAY['APPROVED'::text, 'RUNNING'::text]));


--
-- Name: intent_elsewhen_status_tenant_id_intent_no_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_elsewhen_status_tenant_id_intent_no_idx ON clearance.intent_elsewhen USING btree (status, tenant_id, intent_no) WHERE (status = ANY (ARRAY['AWAITING_APPROVAL'::text, 'APPROVED'::text, 'RUNNING'::text, 'UNKNOWN'::text]));


--
-- Name: intent_elsewhen_tenant_id_account_id_position_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_elsewhen_tenant_id_account_id_position_idx ON clearance.intent_elsewhen USING btree (tenant_id, account_id, "position");


--
-- Name: intent_elsewhen_tenant_id_position_idx; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX intent_elsewhen_tenant_id_position_idx ON clearance.intent_elsewhen USING btree (tenant_id, "position");


--
-- Name: ledger_intent; Type: INDEX; Schema: clearance; Owner: -
--

CREATE INDEX ledger_intent ON clearance.ledger USING btree (intent_no) WHERE (intent_no IS NOT NULL);


--
-- Name: clearance_lane; Type: INDEX; Schema: clearance_queue; Owner: -
--

CREATE INDEX clearance_lane ON clearance_queue.procrastinate_jobs USING btree (queue_name, priority DESC, id) WHERE (status = 'todo'::clearance_queue.procrastinate_job_status);


--
-- Name: clearance_turn; Type: INDEX; Schema: clearance_queue; Owner: -
--

CREATE INDEX clearance_turn ON clearance_queue.procrastinate_jobs USING btree (((args ->> 'tenant_id'::text)), priority) WHERE (status = 'todo'::clearance_queue.procrastinate_job_status);


--
-- Name: idx_procrastinate_jobs_worker_not_null; Type: INDEX; Schema: clearance_queue; Owner: -
--

CREATE INDEX idx_procrastinate_jobs_worker_not_null ON clearance_queue.procrastinate_jobs USING btree (worker_id) WHERE ((worker_id IS NOT NULL) AND (status = 'doing'::clearance_queue.procrastinate_job_status));


--
-- Name: idx_procrastinate_workers_last_heartbeat; Type: INDEX; Schema: clearance_queue; Owner: -
--

CREATE INDEX idx_procrastinate_workers_last_heartbeat ON clearance_queue.procrastinate_workers USING btree (last_heartbeat);


--
-- Name: procrastinate_events_job_id_fkey_v1; Type: INDEX; Schema: clearance_queue; Owner: -
--

CREATE INDEX procrastinate_events_job_id_fkey_v1 ON clearance_queue.procrastinate_events USING btree (job_id);


--
-- Name: procrastinate_jobs_id_lock_idx_v1; Type: INDEX; Schema: clearance_queue; Owner: -
--

CREATE INDEX procrastinate_jobs_id_lock_idx_v1 ON clearance_queue.procrastinate_jobs USING btree (id, lock) WHERE (status = ANY (ARRAY['todo'::clearance_queue.procrastinate_job_status, 'doing'::clearance_queue.procrastinate_job_status]));


--
-- Name: procrastinate_jobs_lock_idx_v1; Type: INDEX; Schema: clearance_queue; Owner: -
--

CREATE UNIQUE INDEX procrastinate_jobs_lock_idx_v1 ON clearance_queue.procrastinate_jobs USING btree (lock) WHERE (status = 'doing'::clearance_queue.procrastinate_job_status);


--
-- Name: procrastinate_jobs_priority_idx_v1; Type: INDEX; Schema: clearance_queue; Owner: -
--

CREATE INDEX procrastinate_jobs_priority_idx_v1 ON clearance_queue.procrastinate_jobs USING btree (priority DESC, id) WHERE (status = 'todo'::clearance_queue.procrastinate_job_status);


--
-- Name: procrastinate_jobs_queue_name_idx_v1; Type: INDEX; Schema: clearance_queue; Owner: -
--

CREATE INDEX procrastinate_jobs_queue_name_idx_v1 ON clearance_queue.procrastinate_jobs USING btree (queue_name);


--
-- Name: procrastinate_jobs_queueing_lock_idx_v1; Type: INDEX; Schema: clearance_queue; Owner: -
--

CREATE UNIQUE INDEX procrastinate_jobs_queueing_lock_idx_v1 ON clearance_queue.procrastinate_jobs USING btree (queueing_lock) WHERE (status = 'todo'::clearance_queue.procrastinate_job_status);


--
-- Name: procrastinate_periodic_defers_job_id_fkey_v1; Type: INDEX; Schema: clearance_queue; Owner: -
--

CREATE INDEX procrastinate_periodic_defers_job_id_fkey_v1 ON clearance_queue.procrastinate_periodic_defers USING btree (job_id);


--
-- Name: intent_2026_11_due_at_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_due ATTACH PARTITION clearance.intent_2026_11_due_at_idx;


--
-- Name: intent_2026_11_pkey; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_pkey ATTACH PARTITION clearance.intent_2026_11_pkey;


--
-- Name: intent_2026_11_status_intent_no_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_queue ATTACH PARTITION clearance.intent_2026_11_status_intent_no_idx;


--
-- Name: intent_2026_11_status_tenant_id_intent_no_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_under_way ATTACH PARTITION clearance.intent_2026_11_status_tenant_id_intent_no_idx;


--
-- Name: intent_2026_11_tenant_id_account_id_position_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_account ATTACH PARTITION clearance.intent_2026_11_tenant_id_account_id_position_idx;


--
-- Name: intent_2026_11_tenant_id_position_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_timeline ATTACH PARTITION clearance.intent_2026_11_tenant_id_position_idx;


--
-- Name: intent_2026_12_due_at_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_due ATTACH PARTITION clearance.intent_2026_12_due_at_idx;


--
-- Name: intent_2026_12_pkey; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_pkey ATTACH PARTITION clearance.intent_2026_12_pkey;


--
-- Name: intent_2026_12_status_intent_no_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_queue ATTACH PARTITION clearance.intent_2026_12_status_intent_no_idx;


--
-- Name: intent_2026_12_status_tenant_id_intent_no_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_under_way ATTACH PARTITION clearance.intent_2026_12_status_tenant_id_intent_no_idx;


--
-- Name: intent_2026_12_tenant_id_account_id_position_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_account ATTACH PARTITION clearance.intent_2026_12_tenant_id_account_id_position_idx;


--
-- Name: intent_2026_12_tenant_id_position_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_timeline ATTACH PARTITION clearance.intent_2026_12_tenant_id_position_idx;


--
-- Name: intent_2027_01_due_at_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_due ATTACH PARTITION clearance.intent_2027_01_due_at_idx;


--
-- Name: intent_2027_01_pkey; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_pkey ATTACH PARTITION clearance.intent_2027_01_pkey;


--
-- Name: intent_2027_01_status_intent_no_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_queue ATTACH PARTITION clearance.intent_2027_01_status_intent_no_idx;


--
-- Name: intent_2027_01_status_tenant_id_intent_no_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_under_way ATTACH PARTITION clearance.intent_2027_01_status_tenant_id_intent_no_idx;


--
-- Name: intent_2027_01_tenant_id_account_id_position_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_account ATTACH PARTITION clearance.intent_2027_01_tenant_id_account_id_position_idx;


--
-- Name: intent_2027_01_tenant_id_position_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_timeline ATTACH PARTITION clearance.intent_2027_01_tenant_id_position_idx;


--
-- Name: intent_elsewhen_due_at_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_due ATTACH PARTITION clearance.intent_elsewhen_due_at_idx;


--
-- Name: intent_elsewhen_pkey; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_pkey ATTACH PARTITION clearance.intent_elsewhen_pkey;


--
-- Name: intent_elsewhen_status_intent_no_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_queue ATTACH PARTITION clearance.intent_elsewhen_status_intent_no_idx;


--
-- Name: intent_elsewhen_status_tenant_id_intent_no_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_under_way ATTACH PARTITION clearance.intent_elsewhen_status_tenant_id_intent_no_idx;


--
-- Name: intent_elsewhen_tenant_id_account_id_position_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_account ATTACH PARTITION clearance.intent_elsewhen_tenant_id_account_id_position_idx;


--
-- Name: intent_elsewhen_tenant_id_position_idx; Type: INDEX ATTACH; Schema: clearance; Owner: -
--

ALTER INDEX clearance.intent_timeline ATTACH PARTITION clearance.intent_elsewhen_tenant_id_position_idx;


--
-- Name: intent_key intent_key_is_not_emptied; Type: TRIGGER; Schema: clearance; Owner: -
--

CREATE TRIGGER intent_key_is_not_emptied BEFORE TRUNCATE ON clearance.intent_key FOR EACH STATEMENT EXECUTE FUNCTION clearance.refuse_change();


--
-- Name: intent_key intent_key_keeps_ids; Type: TRIGGER; Schema: clearance; Owner: -
--

CREATE TRIGGER intent_key_keeps_ids BEFORE DELETE OR UPDATE ON clearance.intent_key FOR EACH ROW EXECUTE FUNCTION clearance.refuse_change();


--
-- Name: ledger ledger_is_not_emptied; Type: TRIGGER; Schema: clearance; Owner: -
--

CREATE TRIGGER ledger_is_not_emptied BEFORE TRUNCATE ON clearance.ledger FOR EACH STATEMENT EXECUTE FUNCTION clearance.refuse_change();


--
-- Name: ledger ledger_keeps_entries; Type: TRIGGER; Schema: clearance; Owner: -
--

CREATE TRIGGER ledger_keeps_entries BEFORE DELETE OR UPDATE ON clearance.ledger FOR EACH ROW EXECUTE FUNCTION clearance.refuse_change();


--
-- Name: procrastinate_jobs procrastinate_jobs_notify_queue_job_aborted_v1; Type: TRIGGER; Schema: clearance_queue; Owner: -
--

CREATE TRIGGER procrastinate_jobs_notify_queue_job_aborted_v1 AFTER UPDATE OF abort_requested ON clearance_queue.procrastinate_jobs FOR EACH ROW WHEN (((old.abort_requested = false) AND (new.abort_requested = true) AND (new.status = 'doing'::clearance_queue.procrastinate_job_status))) EXECUTE FUNCTION clearance_queue.procrastinate_notify_queue_abort_job_v1();


--
-- Name: procrastinate_jobs procrastinate_jobs_notify_queue_job_inserted_v1; Type: TRIGGER; Schema: clearance_queue; Owner: -
--

CREATE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 AFTER INSERT ON clearance_queue.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::clearance_queue.procrastinate_job_status)) EXECUTE FUNCTION clearance_queue.procrastinate_notify_queue_job_inserted_v1();


--
-- Name: procrastinate_jobs procrastinate_trigger_abort_requested_events_v1; Type: TRIGGER; Schema: clearance_queue; Owner: -
--

CREATE TRIGGER procrastinate_trigger_abort_requested_events_v1 AFTER UPDATE OF abort_requested ON clearance_queue.procrastinate_jobs FOR EACH ROW WHEN ((new.abort_requested = true)) EXECUTE FUNCTION clearance_queue.procrastinate_trigger_abort_requested_events_procedure_v1();


--
-- Name: procrastinate_jobs procrastinate_trigger_delete_jobs_v1; Type: TRIGGER; Schema: clearance_queue; Owner: -
--

CREATE TRIGGER procrastinate_trigger_delete_jobs_v1 BEFORE DELETE ON clearance_queue.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION clearance_queue.procrastinate_unlink_periodic_defers_v1();


--
-- Name: procrastinate_jobs procrastinate_trigger_scheduled_events_v1; Type: TRIGGER; Schema: clearance_queue; Owner: -
--

CREATE TRIGGER procrastinate_trigger_scheduled_events_v1 AFTER INSERT OR UPDATE ON clearance_queue.procrastinate_jobs FOR EACH ROW WHEN (((new.scheduled_at IS NOT NULL) AND (new.status = 'todo'::clearance_queue.procrastinate_job_status))) EXECUTE FUNCTION clearance_queue.procrastinate_trigger_function_scheduled_events_v1();


--
-- Name: procrastinate_jobs procrastinate_trigger_status_events_insert_v1; Type: TRIGGER; Schema: clearance_queue; Owner: -
--

CREATE TRIGGER procrastinate_trigger_status_events_insert_v1 AFTER INSERT ON clearance_queue.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::clearance_queue.procrastinate_job_status)) EXECUTE FUNCTION clearance_queue.procrastinate_trigger_function_status_events_insert_v1();


--
-- Name: procrastinate_jobs procrastinate_trigger_status_events_update_v1; Type: TRIGGER; Schema: clearance_queue; Owner: -
--

CREATE TRIGGER procrastinate_trigger_status_events_update_v1 AFTER UPDATE OF status ON clearance_queue.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION clearance_queue.procrastinate_trigger_function_status_events_update_v1();


--
-- Name: api_key api_key_tenant_id_fkey; Type: FK CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.api_key
    ADD CONSTRAINT api_key_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES clearance.tenant(tenant_id);


--
-- Name: page_session page_session_key_id_fkey; Type: FK CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.page_session
    ADD CONSTRAINT page_session_key_id_fkey FOREIGN KEY (key_id) REFERENCES clearance.api_key(key_id);


--
-- Name: settings settings_tenant_id_fkey; Type: FK CONSTRAINT; Schema: clearance; Owner: -
--

ALTER TABLE ONLY clearance.settings
    ADD CONSTRAINT settings_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES clearance.tenant(tenant_id);


--
-- Name: procrastinate_events procrastinate_events_job_id_fkey; Type: FK CONSTRAINT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.procrastinate_events
    ADD CONSTRAINT procrastinate_events_job_id_fkey FOREIGN KEY (job_id) REFERENCES clearance_queue.procrastinate_jobs(id) ON DELETE CASCADE;


--
-- Name: procrastinate_jobs procrastinate_jobs_worker_id_fkey; Type: FK CONSTRAINT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES clearance_queue.procrastinate_workers(id) ON DELETE SET NULL;


--
-- Name: procrastinate_periodic_defers procrastinate_periodic_defers_job_id_fkey; Type: FK CONSTRAINT; Schema: clearance_queue; Owner: -
--

ALTER TABLE ONLY clearance_queue.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_job_id_fkey FOREIGN KEY (job_id) REFERENCES clearance_queue.procrastinate_jobs(id);


--
-- Name: api_key; Type: ROW SECURITY; Schema: clearance; Owner: -
--

ALTER TABLE clearance.api_key ENABLE ROW LEVEL SECURITY;

--
-- Name: budget_use; Type: ROW SECURITY; Schema: clearance; Owner: -
--

ALTER TABLE clearance.budget_use ENABLE ROW LEVEL SECURITY;

--
-- Name: intent; Type: ROW SECURITY; Schema: clearance; Owner: -
--

ALTER TABLE clearance.intent ENABLE ROW LEVEL SECURITY;

--
-- Name: intent_key; Type: ROW SECURITY; Schema: clearance; Owner: -
--

ALTER TABLE clearance.intent_key ENABLE ROW LEVEL SECURITY;

--
-- Name: ledger; Type: ROW SECURITY; Schema: clearance; Owner: -
--

ALTER TABLE clearance.ledger ENABLE ROW LEVEL SECURITY;

--
-- Name: api_key named; Type: POLICY; Schema: clearance; Owner: -
--

CREATE POLICY named ON clearance.api_key USING (((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id) OR (( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = '*'::text))) WITH CHECK ((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id));


--
-- Name: budget_use named; Type: POLICY; Schema: clearance; Owner: -
--

CREATE POLICY named ON clearance.budget_use USING (((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id) OR (( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = '*'::text))) WITH CHECK ((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id));


--
-- Name: intent named; Type: POLICY; Schema: clearance; Owner: -
--

CREATE POLICY named ON clearance.intent USING (((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id) OR (( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = '*'::text))) WITH CHECK ((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id));


--
-- Name: intent_key named; Type: POLICY; Schema: clearance; Owner: -
--

CREATE POLICY named ON clearance.intent_key USING (((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id) OR (( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = '*'::text))) WITH CHECK ((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id));


--
-- Name: ledger named; Type: POLICY; Schema: clearance; Owner: -
--

CREATE POLICY named ON clearance.ledger USING (((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id) OR (( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = '*'::text))) WITH CHECK ((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id));


--
-- Name: settings named; Type: POLICY; Schema: clearance; Owner: -
--

CREATE POLICY named ON clearance.settings USING (((tenant_id = '*'::text) OR ((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id) OR (( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = '*'::text)))) WITH CHECK ((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id));


--
-- Name: tenant named; Type: POLICY; Schema: clearance; Owner: -
--

CREATE POLICY named ON clearance.tenant USING (((tenant_id = '*'::text) OR ((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id) OR (( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = '*'::text)))) WITH CHECK ((( SELECT current_setting('clearance.tenant'::text, true) AS current_setting) = tenant_id));


--
-- Name: settings; Type: ROW SECURITY; Schema: clearance; Owner: -
--

ALTER TABLE clearance.settings ENABLE ROW LEVEL SECURITY;

--
-- Name: tenant; Type: ROW SECURITY; Schema: clearance; Owner: -
--

ALTER TABLE clearance.tenant ENABLE ROW LEVEL SECURITY;

--
-- Name: SCHEMA clearance; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA clearance TO clearance_app;


--
-- Name: SCHEMA clearance_queue; Type: ACL; Schema: -; Owner: -
--

GRANT USAGE ON SCHEMA clearance_queue TO clearance_app;


--
-- Name: TABLE intent; Type: ACL; Schema: clearance; Owner: -
--

GRANT SELECT,INSERT ON TABLE clearance.intent TO clearance_app;


--
-- Name: COLUMN intent.status; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(status) ON TABLE clearance.intent TO clearance_app;


--
-- Name: COLUMN intent.revision; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(revision) ON TABLE clearance.intent TO clearance_app;


--
-- Name: COLUMN intent."position"; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE("position") ON TABLE clearance.intent TO clearance_app;


--
-- Name: COLUMN intent.decision_position; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(decision_position) ON TABLE clearance.intent TO clearance_app;


--
-- Name: COLUMN intent.approval_source; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(approval_source) ON TABLE clearance.intent TO clearance_app;


--
-- Name: COLUMN intent.due_at; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(due_at) ON TABLE clearance.intent TO clearance_app;


--
-- Name: COLUMN intent.changed_at; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(changed_at) ON TABLE clearance.intent TO clearance_app;


--
-- Name: COLUMN intent.transition_id; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(transition_id) ON TABLE clearance.intent TO clearance_app;


--
-- Name: COLUMN intent.hold; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(hold) ON TABLE clearance.intent TO clearance_app;


--
-- Name: COLUMN intent.approval; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(approval) ON TABLE clearance.intent TO clearance_app;


--
-- Name: COLUMN intent.attempt; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(attempt) ON TABLE clearance.intent TO clearance_app;


--
-- Name: COLUMN intent.outcome; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(outcome) ON TABLE clearance.intent TO clearance_app;


--
-- Name: TABLE ledger; Type: ACL; Schema: clearance; Owner: -
--

GRANT SELECT,INSERT ON TABLE clearance.ledger TO clearance_app;


--
-- Name: TABLE intent_record; Type: ACL; Schema: clearance; Owner: -
--

GRANT SELECT ON TABLE clearance.intent_record TO clearance_app;


--
-- Name: FUNCTION add_api_key(p_tenant_id text, p_key_id text, p_name text, p_role text, p_key_hash bytea, p_created_at bigint, p_entry bytea); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.add_api_key(p_tenant_id text, p_key_id text, p_name text, p_role text, p_key_hash bytea, p_created_at bigint, p_entry bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.add_api_key(p_tenant_id text, p_key_id text, p_name text, p_role text, p_key_hash bytea, p_created_at bigint, p_entry bytea) TO clearance_app;


--
-- Name: FUNCTION admit(p_tenant_id text, p_head clearance.head, a clearance.admission, p_entries bytea); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.admit(p_tenant_id text, p_head clearance.head, a clearance.admission, p_entries bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.admit(p_tenant_id text, p_head clearance.head, a clearance.admission, p_entries bytea) TO clearance_app;


--
-- Name: FUNCTION admit_together(p_tenant_id text, p_head clearance.head, p_units jsonb, p_entries bytea); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.admit_together(p_tenant_id text, p_head clearance.head, p_units jsonb, p_entries bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.admit_together(p_tenant_id text, p_head clearance.head, p_units jsonb, p_entries bytea) TO clearance_app;


--
-- Name: FUNCTION advance(p_tenant_id text, p_head clearance.head, c clearance.change, p_entries bytea); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.advance(p_tenant_id text, p_head clearance.head, c clearance.change, p_entries bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.advance(p_tenant_id text, p_head clearance.head, c clearance.change, p_entries bytea) TO clearance_app;


--
-- Name: FUNCTION append(p_tenant_id text, p_position bigint, p_intent_no bigint, p_entry bytea); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.append(p_tenant_id text, p_position bigint, p_intent_no bigint, p_entry bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.append(p_tenant_id text, p_position bigint, p_intent_no bigint, p_entry bytea) TO clearance_app;


--
-- Name: FUNCTION append_to_tenant(p_tenant_id text, p_head clearance.head, p_entry bytea); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.append_to_tenant(p_tenant_id text, p_head clearance.head, p_entry bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.append_to_tenant(p_tenant_id text, p_head clearance.head, p_entry bytea) TO clearance_app;


--
-- Name: FUNCTION configure(p_tenant_id text, p_version integer, p_document text, p_at bigint, p_entry bytea); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.configure(p_tenant_id text, p_version integer, p_document text, p_at bigint, p_entry bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.configure(p_tenant_id text, p_version integer, p_document text, p_at bigint, p_entry bytea) TO clearance_app;


--
-- Name: FUNCTION lock_tenant(p_tenant_id text); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.lock_tenant(p_tenant_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.lock_tenant(p_tenant_id text) TO clearance_app;


--
-- Name: FUNCTION make_months(p_at bigint); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.make_months(p_at bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.make_months(p_at bigint) TO clearance_app;


--
-- Name: FUNCTION record_of(p_tenant_id text, p_action_intent_id text); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.record_of(p_tenant_id text, p_action_intent_id text) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.record_of(p_tenant_id text, p_action_intent_id text) TO clearance_app;


--
-- Name: FUNCTION refuse_change(); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.refuse_change() FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.refuse_change() TO clearance_app;


--
-- Name: FUNCTION release(p_tenant_id text, p_account_id text, p_hold clearance.hold); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.release(p_tenant_id text, p_account_id text, p_hold clearance.hold) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.release(p_tenant_id text, p_account_id text, p_hold clearance.hold) TO clearance_app;


--
-- Name: FUNCTION revoke_api_key(p_tenant_id text, p_key_id text, p_at bigint, p_entry bytea); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.revoke_api_key(p_tenant_id text, p_key_id text, p_at bigint, p_entry bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.revoke_api_key(p_tenant_id text, p_key_id text, p_at bigint, p_entry bytea) TO clearance_app;


--
-- Name: FUNCTION transition(p_tenant_id text, p_units jsonb, p_entries bytea); Type: ACL; Schema: clearance; Owner: -
--

REVOKE ALL ON FUNCTION clearance.transition(p_tenant_id text, p_units jsonb, p_entries bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION clearance.transition(p_tenant_id text, p_units jsonb, p_entries bytea) TO clearance_app;


--
-- Name: TABLE procrastinate_jobs; Type: ACL; Schema: clearance_queue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE clearance_queue.procrastinate_jobs TO clearance_app;


--
-- Name: TABLE api_key; Type: ACL; Schema: clearance; Owner: -
--

GRANT SELECT,INSERT ON TABLE clearance.api_key TO clearance_app;


--
-- Name: COLUMN api_key.revoked_at; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(revoked_at) ON TABLE clearance.api_key TO clearance_app;


--
-- Name: TABLE budget_use; Type: ACL; Schema: clearance; Owner: -
--

GRANT SELECT,INSERT ON TABLE clearance.budget_use TO clearance_app;


--
-- Name: COLUMN budget_use.used; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(used) ON TABLE clearance.budget_use TO clearance_app;


--
-- Name: TABLE installation; Type: ACL; Schema: clearance; Owner: -
--

GRANT SELECT ON TABLE clearance.installation TO clearance_app;


--
-- Name: TABLE intent_key; Type: ACL; Schema: clearance; Owner: -
--

GRANT SELECT,INSERT ON TABLE clearance.intent_key TO clearance_app;


--
-- Name: SEQUENCE intent_number; Type: ACL; Schema: clearance; Owner: -
--

GRANT USAGE ON SEQUENCE clearance.intent_number TO clearance_app;


--
-- Name: TABLE migration; Type: ACL; Schema: clearance; Owner: -
--

GRANT SELECT ON TABLE clearance.migration TO clearance_app;


--
-- Name: TABLE page_session; Type: ACL; Schema: clearance; Owner: -
--

GRANT SELECT,INSERT,DELETE ON TABLE clearance.page_session TO clearance_app;


--
-- Name: TABLE settings; Type: ACL; Schema: clearance; Owner: -
--

GRANT SELECT,INSERT ON TABLE clearance.settings TO clearance_app;


--
-- Name: TABLE tenant; Type: ACL; Schema: clearance; Owner: -
--

GRANT SELECT,INSERT ON TABLE clearance.tenant TO clearance_app;


--
-- Name: COLUMN tenant.settings_version; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(settings_version) ON TABLE clearance.tenant TO clearance_app;


--
-- Name: COLUMN tenant.ledger_size; Type: ACL; Schema: clearance; Owner: -
--

GRANT UPDATE(ledger_size) ON TABLE clearance.tenant TO clearance_app;


--
-- Name: TABLE applied; Type: ACL; Schema: clearance_queue; Owner: -
--

GRANT SELECT ON TABLE clearance_queue.applied TO clearance_app;


--
-- Name: TABLE procrastinate_events; Type: ACL; Schema: clearance_queue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE clearance_queue.procrastinate_events TO clearance_app;


--
-- Name: SEQUENCE procrastinate_events_id_seq; Type: ACL; Schema: clearance_queue; Owner: -
--

GRANT USAGE ON SEQUENCE clearance_queue.procrastinate_events_id_seq TO clearance_app;


--
-- Name: SEQUENCE procrastinate_jobs_id_seq; Type: ACL; Schema: clearance_queue; Owner: -
--

GRANT USAGE ON SEQUENCE clearance_queue.procrastinate_jobs_id_seq TO clearance_app;


--
-- Name: TABLE procrastinate_periodic_defers; Type: ACL; Schema: clearance_queue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE clearance_queue.procrastinate_periodic_defers TO clearance_app;


--
-- Name: SEQUENCE procrastinate_periodic_defers_id_seq; Type: ACL; Schema: clearance_queue; Owner: -
--

GRANT USAGE ON SEQUENCE clearance_queue.procrastinate_periodic_defers_id_seq TO clearance_app;


--
-- Name: TABLE procrastinate_workers; Type: ACL; Schema: clearance_queue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE clearance_queue.procrastinate_workers TO clearance_app;


--
-- Name: SEQUENCE procrastinate_workers_id_seq; Type: ACL; Schema: clearance_queue; Owner: -
--

GRANT USAGE ON SEQUENCE clearance_queue.procrastinate_workers_id_seq TO clearance_app;


--
-- Name: TABLE sweeping; Type: ACL; Schema: clearance_queue; Owner: -
--

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE clearance_queue.sweeping TO clearance_app;


--
-- PostgreSQL database dump complete
--


