-- works with: 1
-- The logical model of Clearance in PostgreSQL, and its transitions. Ids that people see are the keys; one intent is one row.
-- Every transition of a tenant runs under the lock of its row in `tenant`, in one call of one function: so ledger positions are
-- given in commit order, budgets are exact, and a client that stops in the middle holds nothing.

CREATE TABLE installation (
  one             int PRIMARY KEY CHECK (one = 1),
  credential_salt bytea NOT NULL
);

CREATE TABLE tenant (
  tenant_id        text COLLATE "C" PRIMARY KEY,  -- '*': the switches that hold for every tenant
  settings_version int NOT NULL DEFAULT 0,
  ledger_size      bigint NOT NULL DEFAULT 0      -- the position of the latest entry
) WITH (fillfactor = 50);

CREATE TABLE settings (
  tenant_id text COLLATE "C" NOT NULL REFERENCES tenant,
  version   int NOT NULL,
  document  text NOT NULL,
  at        bigint NOT NULL,
  PRIMARY KEY (tenant_id, version)
);

CREATE TABLE ledger (
  tenant_id  text COLLATE "C" NOT NULL,
  "position" bigint NOT NULL,
  intent_no  bigint,
  body       bytea NOT NULL,                      -- the exact canonical bytes
  PRIMARY KEY (tenant_id, "position")
) WITH (toast_tuple_target = 8160);               -- compressing an entry of 2.6 kB took a fifth of a transition
CREATE INDEX ledger_intent ON ledger (intent_no) WHERE intent_no IS NOT NULL;

-- What makes an intent's id unique for ever, also after its row aged out with its month.
CREATE SEQUENCE intent_number AS bigint;
CREATE TABLE intent_key (
  tenant_id        text COLLATE "C" NOT NULL,
  action_intent_id text COLLATE "C" NOT NULL,
  intent_no        bigint NOT NULL,
  created_at       bigint NOT NULL,
  "position"       bigint NOT NULL,               -- of the entry that admitted it
  transition_id    uuid NOT NULL,                 -- of the request that admitted it
  PRIMARY KEY (tenant_id, action_intent_id)
);

CREATE TYPE hold AS (day text, state text, claims text);
CREATE TYPE approval AS (
  number int, state text, digest text, opened_at bigint, expires_at bigint, differences text, ruling text, superseded_by text
);
CREATE TYPE attempt AS (number int, worker text, lease_until bigint, idempotency_key text, started_at bigint);
CREATE TYPE outcome AS (
  status text, sentence text, result text, result_bytes bigint, result_truncated boolean, error text,
  approval_source text, auto_executed boolean
);

-- The decision and the binding are in the ledger entry at decision_position, and nowhere else.
CREATE TABLE intent (
  intent_no         bigint NOT NULL,
  created_at        bigint NOT NULL,              -- milliseconds since 1970; its UTC month is the partition
  tenant_id         text COLLATE "C" NOT NULL,
  account_id        text COLLATE "C" NOT NULL,
  action_intent_id  text COLLATE "C" NOT NULL,
  action_type       text COLLATE "C" NOT NULL,
  status            text COLLATE "C" NOT NULL,
  revision          int NOT NULL,                 -- counts the intent's transitions
  "position"        bigint NOT NULL,              -- of its latest ledger entry
  decision_position bigint NOT NULL,
  approval_source   text,
  due_at            bigint,                       -- when it expires, while it has not started
  proposed_by       text NOT NULL,
  trace_id          text,
  salt              bytea NOT NULL,
  fingerprint       bytea NOT NULL,
  content           text NOT NULL,
  changed_at        bigint NOT NULL,
  transition_id     uuid NOT NULL,                -- of the request that made the latest transition
  hold              hold,
  approval          approval,                     -- the latest one
  attempt           attempt,                      -- the latest one
  outcome           outcome,
  PRIMARY KEY (intent_no, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX intent_timeline ON intent (tenant_id, "position");
CREATE INDEX intent_account ON intent (tenant_id, account_id, "position");
CREATE INDEX intent_under_way ON intent (status, tenant_id, intent_no)
  WHERE status IN ('AWAITING_APPROVAL', 'APPROVED', 'RUNNING', 'UNKNOWN');
CREATE INDEX intent_queue ON intent (status, intent_no) WHERE status IN ('APPROVED', 'RUNNING');
CREATE INDEX intent_due ON intent (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE intent_elsewhen PARTITION OF intent DEFAULT;

CREATE TABLE budget_use (
  tenant_id  text COLLATE "C" NOT NULL,
  account_id text COLLATE "C" NOT NULL,
  day        text COLLATE "C" NOT NULL,
  bucket     text COLLATE "C" NOT NULL,
  used       bigint NOT NULL CHECK (used >= 0),
  PRIMARY KEY (tenant_id, account_id, day, bucket)
) WITH (fillfactor = 50);

CREATE TABLE api_key (
  key_id     text COLLATE "C" PRIMARY KEY,
  tenant_id  text COLLATE "C" NOT NULL REFERENCES tenant,
  name       text NOT NULL,
  role       text NOT NULL,
  key_hash   bytea NOT NULL,
  created_at bigint NOT NULL,
  revoked_at bigint
);
CREATE UNIQUE INDEX api_key_valid ON api_key (key_hash) WHERE revoked_at IS NULL;
CREATE UNIQUE INDEX api_key_name ON api_key (tenant_id, name) WHERE revoked_at IS NULL;

CREATE TABLE page_session (
  token_hash bytea PRIMARY KEY,
  key_id     text COLLATE "C" NOT NULL REFERENCES api_key,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL
);

-- All that is known of an intent, in the order in which the store reads it.
CREATE VIEW intent_record WITH (security_invoker = true) AS
SELECT i.tenant_id, i.account_id, i.action_intent_id, i.action_type, i.status, i.revision, i."position",
  i.approval_source, i.proposed_by, i.trace_id, i.salt, i.fingerprint, i.content, i.created_at, i.changed_at,
  d.body,
  (i.hold).day AS hold_day, (i.hold).state AS hold_state, (i.hold).claims,
  (i.approval).number AS approval_number, (i.approval).state AS approval_state, (i.approval).digest,
  (i.approval).opened_at, (i.approval).expires_at, (i.approval).differences, (i.approval).ruling, (i.approval).superseded_by,
  (i.attempt).number AS attempt_number, (i.attempt).worker, (i.attempt).lease_until, (i.attempt).idempotency_key,
  (i.attempt).started_at,
  (i.outcome).status AS outcome_status, (i.outcome).sentence, (i.outcome).result, (i.outcome).result_bytes,
  (i.outcome).result_truncated, (i.outcome).error,
  i.intent_no, i.due_at
FROM intent i JOIN ledger d ON d.tenant_id = i.tenant_id AND d."position" = i.decision_position;

-- Transitions

-- The entries of a batch come as they are, one behind the other; a unit says where its own begins (the first byte is 1).
CREATE TYPE admission AS (
  action_intent_id text, account_id text, action_type text, status text, approval_source text, due_at bigint,
  settings_version int, everywhere_version int, proposed_by text, trace_id text, salt text, fingerprint text, content text,
  entry_from int, entry_bytes int, at bigint, transition_id uuid, hold hold, buckets text[], amounts bigint[], limits bigint[], approval approval
);
CREATE TYPE change AS (
  action_intent_id text, revision int, status text, entry_from int, entry_bytes int, at bigint, transition_id uuid, approval_source text,
  due_at bigint, settings_version int, everywhere_version int, hold_state text, decided boolean, approval approval,
  attempt attempt, outcome outcome, superseded_by admission
);
CREATE TYPE head AS (settings_version int, everywhere_version int, ledger_size bigint);
CREATE TYPE answer AS (unit int, answer text, entries int, admitted bigint, used text, record intent_record);

-- The tenant that this transaction is about, locked until it ends. The switches that hold everywhere do not move meanwhile:
-- who changes them waits for every transition that began before, and stops every later one until the change is in.
CREATE FUNCTION lock_tenant(p_tenant_id text) RETURNS head LANGUAGE plpgsql AS $$
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

CREATE FUNCTION append(p_tenant_id text, p_position bigint, p_intent_no bigint, p_entry bytea) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ledger (tenant_id, "position", intent_no, body) VALUES (p_tenant_id, p_position, p_intent_no, p_entry);
END $$;

CREATE FUNCTION record_of(p_tenant_id text, p_action_intent_id text) RETURNS intent_record
LANGUAGE sql STABLE AS $$
  SELECT r FROM intent_key k JOIN intent_record r ON r.intent_no = k.intent_no AND r.created_at = k.created_at
  WHERE k.tenant_id = p_tenant_id AND k.action_intent_id = p_action_intent_id
$$;

-- In this order: id new, settings in force, budget fits. What is asked again after a lost connection is answered as it was.
CREATE FUNCTION admit(p_tenant_id text, p_head head, a admission, p_entries bytea) RETURNS answer LANGUAGE plpgsql AS $$
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

CREATE FUNCTION release(p_tenant_id text, p_account_id text, p_hold hold) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE budget_use b SET used = b.used - (c.claim ->> 1)::bigint
  FROM jsonb_array_elements((p_hold).claims::jsonb) AS c (claim)
  WHERE b.tenant_id = p_tenant_id AND b.account_id = p_account_id AND b.day = (p_hold).day AND b.bucket = c.claim ->> 0;
END $$;

-- One step of one intent: revision equal, settings in force if the step names them, and an edit's admission as in `admit`.
CREATE FUNCTION advance(p_tenant_id text, p_head head, c change, p_entries bytea) RETURNS answer LANGUAGE plpgsql AS $$
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

-- What is as usual goes in together: admissions of new ids under the settings in force, if all of their holds fit side by side.
-- None of them, if they do not: then each is taken by itself.
CREATE FUNCTION admit_together(p_tenant_id text, p_head head, p_units jsonb, p_entries bytea) RETURNS SETOF answer
LANGUAGE plpgsql AS $$
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

-- A batch of transitions of one tenant, whole or not at all. They came at the same time, so that any order will do.
CREATE FUNCTION transition(p_tenant_id text, p_units jsonb, p_entries bytea) RETURNS SETOF answer
LANGUAGE plpgsql SET search_path = clearance, pg_temp
-- Plans are kept, and tables grow under them: every look is by a key, so no plan may read a table whole.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
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

-- An entry that is about the tenant as a whole, at the end of a transaction that holds its lock.
CREATE FUNCTION append_to_tenant(p_tenant_id text, p_head head, p_entry bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM append(p_tenant_id, p_head.ledger_size + 1, NULL, p_entry);
  UPDATE tenant SET ledger_size = p_head.ledger_size + 1 WHERE tenant_id = p_tenant_id;
END $$;

CREATE FUNCTION configure(p_tenant_id text, p_version int, p_document text, p_at bigint, p_entry bytea) RETURNS boolean
LANGUAGE plpgsql SET search_path = clearance, pg_temp AS $$
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

CREATE FUNCTION add_api_key(
  p_tenant_id text, p_key_id text, p_name text, p_role text, p_key_hash bytea, p_created_at bigint, p_entry bytea
) RETURNS void LANGUAGE plpgsql SET search_path = clearance, pg_temp AS $$
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

CREATE FUNCTION revoke_api_key(p_tenant_id text, p_key_id text, p_at bigint, p_entry bytea) RETURNS boolean
LANGUAGE plpgsql SET search_path = clearance, pg_temp AS $$
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

-- Months

-- Makes the partitions of the month of a moment and of the two after it. What was written before its month had one stays in
-- `intent_elsewhen`, and is found there like everything else. Whoever reads the table, for a backup perhaps, is waited for only
-- briefly: for everybody else waits behind us. There are two months to try again in.
CREATE FUNCTION make_months(p_at bigint) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = clearance, pg_temp
SET lock_timeout = '2s' AS $$
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

-- Nothing changes or loses a ledger entry, or frees an intent's id

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER ledger_keeps_entries BEFORE UPDATE OR DELETE ON ledger FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_is_not_emptied BEFORE TRUNCATE ON ledger FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER intent_key_keeps_ids BEFORE UPDATE OR DELETE ON intent_key FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER intent_key_is_not_emptied BEFORE TRUNCATE ON intent_key FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What the serving processes may do: no more than this

GRANT USAGE ON SCHEMA clearance TO clearance_app;
GRANT SELECT ON migration, installation, intent_record TO clearance_app;
GRANT SELECT, INSERT ON ledger, intent_key, settings TO clearance_app;
GRANT SELECT, INSERT, UPDATE (settings_version, ledger_size) ON tenant TO clearance_app;
GRANT SELECT, INSERT, UPDATE (used) ON budget_use TO clearance_app;
GRANT SELECT, INSERT, UPDATE (status, revision, "position", decision_position, approval_source, due_at, changed_at, transition_id,
  hold, approval, attempt, outcome) ON intent TO clearance_app;
GRANT SELECT, INSERT, UPDATE (revoked_at) ON api_key TO clearance_app;
GRANT SELECT, INSERT, DELETE ON page_session TO clearance_app;
GRANT USAGE ON SEQUENCE intent_number TO clearance_app;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA clearance FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA clearance TO clearance_app;

-- The second wall between tenants: a statement sees the tenant that its transaction named, and nothing if it named none.
-- '*' is the installation itself: the sweep over all tenants, and the lookup of a credential, which says the tenant.
ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
ALTER TABLE settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger ENABLE ROW LEVEL SECURITY;
ALTER TABLE intent_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE intent ENABLE ROW LEVEL SECURITY;
ALTER TABLE budget_use ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_key ENABLE ROW LEVEL SECURITY;

CREATE POLICY named ON tenant USING
  (tenant_id = '*' OR (SELECT current_setting('clearance.tenant', true)) IN (tenant_id, '*'))
  WITH CHECK ((SELECT current_setting('clearance.tenant', true)) = tenant_id);
CREATE POLICY named ON settings USING
  (tenant_id = '*' OR (SELECT current_setting('clearance.tenant', true)) IN (tenant_id, '*'))
  WITH CHECK ((SELECT current_setting('clearance.tenant', true)) = tenant_id);
CREATE POLICY named ON ledger USING ((SELECT current_setting('clearance.tenant', true)) IN (tenant_id, '*'))
  WITH CHECK ((SELECT current_setting('clearance.tenant', true)) = tenant_id);
CREATE POLICY named ON intent_key USING ((SELECT current_setting('clearance.tenant', true)) IN (tenant_id, '*'))
  WITH CHECK ((SELECT current_setting('clearance.tenant', true)) = tenant_id);
CREATE POLICY named ON intent USING ((SELECT current_setting('clearance.tenant', true)) IN (tenant_id, '*'))
  WITH CHECK ((SELECT current_setting('clearance.tenant', true)) = tenant_id);
CREATE POLICY named ON budget_use USING ((SELECT current_setting('clearance.tenant', true)) IN (tenant_id, '*'))
  WITH CHECK ((SELECT current_setting('clearance.tenant', true)) = tenant_id);
CREATE POLICY named ON api_key USING ((SELECT current_setting('clearance.tenant', true)) IN (tenant_id, '*'))
  WITH CHECK ((SELECT current_setting('clearance.tenant', true)) = tenant_id);
