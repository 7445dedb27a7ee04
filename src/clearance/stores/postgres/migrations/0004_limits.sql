-- works with: 4
-- What is counted of any subject in any window, the accounts that are known, and what makes two acts the same. All of it is
-- added, but software of before cannot read a claim that names its counter, so it can start no more.

-- The account's own counters of a day stay in budget_use.
CREATE TABLE counter (
  tenant_id text COLLATE "C" NOT NULL,
  subject   text COLLATE "C" NOT NULL,            -- canonical JSON: {} is the tenant
  "window"  text COLLATE "C" NOT NULL,
  bucket    text COLLATE "C" NOT NULL,
  used      bigint NOT NULL CHECK (used >= 0),
  PRIMARY KEY (tenant_id, subject, "window", bucket)
) WITH (fillfactor = 50);

CREATE TABLE known_account (
  tenant_id  text COLLATE "C" NOT NULL,
  account_id text COLLATE "C" NOT NULL,           -- the first of those that look like it
  look       bytea NOT NULL,                      -- digest of what all names have in common that look like this one
  PRIMARY KEY (tenant_id, look)
);

ALTER TABLE intent ADD COLUMN likeness bytea;     -- NULL: an earlier version admitted it
ALTER TABLE intent ADD COLUMN same_call bytea;    -- NULL: nothing is folded into it
CREATE INDEX intent_waiting ON intent (tenant_id, proposed_by) WHERE status = 'AWAITING_APPROVAL';
CREATE INDEX intent_same_call ON intent (tenant_id, same_call)
  WHERE status = 'AWAITING_APPROVAL' AND same_call IS NOT NULL;
CREATE INDEX intent_rejected ON intent (tenant_id, likeness, changed_at) WHERE status = 'REJECTED' AND likeness IS NOT NULL;
CREATE INDEX intent_likeness ON intent (tenant_id, likeness) WHERE likeness IS NOT NULL;
CREATE INDEX intent_proposer ON intent (tenant_id, proposed_by, "position");

ALTER TABLE api_key ADD COLUMN scope text;        -- {accounts, action_types}; NULL: all of them

-- As before, with the likeness behind the rest.
CREATE OR REPLACE VIEW intent_record WITH (security_invoker = true) AS
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
  i.intent_no, i.due_at, i.executor, b.text AS parts, i.likeness
FROM intent i JOIN ledger d ON d.tenant_id = i.tenant_id AND d."position" = i.decision_position
  LEFT JOIN ledger_text b ON b.tenant_id = d.tenant_id AND b."position" = d."position" AND b.name = 'parts';

-- The first `quota` claims are taken for good, the others are those of the hold. A claim without a subject is the account's own,
-- of the hold's day.
ALTER TYPE admission
  ADD ATTRIBUTE subjects text[], ADD ATTRIBUTE windows text[], ADD ATTRIBUTE quota int,
  ADD ATTRIBUTE likeness text, ADD ATTRIBUTE same_call text, ADD ATTRIBUTE rejected_since bigint,
  ADD ATTRIBUTE waiting_max int, ADD ATTRIBUTE look text;  -- NULL: it makes no account known

-- How long an intent can wait for a person: twice the longest duration of the settings, since it may be asked about again.
-- What is older need not be looked through.
CREATE FUNCTION waits_ms_max() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 2 * 366 * 86400000::bigint';

-- When a person said no to a rejected intent. Erasing a reason later changes the intent, and not this.
CREATE FUNCTION said_no_at(i intent) RETURNS bigint LANGUAGE sql IMMUTABLE AS
  $$ SELECT coalesce((((i).approval).ruling::jsonb ->> 'ruled_at')::bigint, (i).changed_at) $$;

-- In this order: id new, settings in force, the same call does not wait, none of its likeness was rejected, few enough wait,
-- quotas fit, budget fits. What is asked again after a lost connection is answered as it was. `used` says, as JSON, what an
-- answer needs to be told.
CREATE OR REPLACE FUNCTION admit(p_tenant_id text, p_head head, a admission, p_entries bytea) RETURNS answer
LANGUAGE plpgsql AS $$
DECLARE
  v_answer answer;
  v_key intent_key;
  v_other text;
  v_at bigint;
  v_waiting bigint;
  v_used bigint[];
  v_spent int;
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
  IF a.same_call IS NOT NULL THEN
    SELECT i.action_intent_id INTO v_other FROM intent i
      WHERE i.tenant_id = p_tenant_id AND i.same_call = decode(a.same_call, 'hex') AND i.status = 'AWAITING_APPROVAL'
      ORDER BY i.intent_no LIMIT 1;
    IF FOUND THEN
      RETURN ROW(0, 'SAME_CALL_WAITS', 0, NULL, NULL, record_of(p_tenant_id, v_other))::answer;
    END IF;
  END IF;
  IF a.likeness IS NOT NULL AND a.rejected_since IS NOT NULL THEN
    SELECT i.action_intent_id, said_no_at(i) INTO v_other, v_at FROM intent i
      WHERE i.tenant_id = p_tenant_id AND i.likeness = decode(a.likeness, 'hex') AND i.status = 'REJECTED'
        AND i.changed_at >= a.rejected_since AND said_no_at(i) >= a.rejected_since
        AND i.created_at >= a.rejected_since - waits_ms_max()
      ORDER BY said_no_at(i) DESC, i."position" DESC LIMIT 1;
    IF FOUND THEN
      RETURN ROW(0, 'REJECTED_BEFORE', 0, NULL, jsonb_build_array(v_other, v_at)::text, NULL)::answer;
    END IF;
  END IF;
  IF a.waiting_max IS NOT NULL THEN
    SELECT count(*) INTO v_waiting FROM intent i
      WHERE i.tenant_id = p_tenant_id AND i.proposed_by = a.proposed_by AND i.status = 'AWAITING_APPROVAL';
    IF v_waiting >= a.waiting_max THEN
      RETURN ROW(0, 'TOO_MANY_WAITING', 0, NULL, v_waiting::text, NULL)::answer;
    END IF;
  END IF;
  IF a.buckets IS NOT NULL THEN
    SELECT array_agg(w.used ORDER BY w.number), min(w.number) FILTER (WHERE w.amount + w.used > w.ceiling)
    INTO v_used, v_spent FROM (
      SELECT c.number, c.amount, c.ceiling, coalesce(CASE WHEN c.subject IS NULL THEN (
        SELECT b.used FROM budget_use b WHERE b.tenant_id = p_tenant_id AND b.account_id = a.account_id
          AND b.day = (a.hold).day AND b.bucket = c.bucket
      ) ELSE (
        SELECT t.used FROM counter t WHERE t.tenant_id = p_tenant_id AND t.subject = c.subject AND t."window" = c."window"
          AND t.bucket = c.bucket
      ) END, 0) AS used
      FROM unnest(a.buckets, a.amounts, a.limits, a.subjects, a.windows)
        WITH ORDINALITY AS c (bucket, amount, ceiling, subject, "window", number)
    ) w;
    IF v_spent <= a.quota THEN
      RETURN ROW(0, 'QUOTA_SPENT', 0, NULL, (v_spent - 1)::text, NULL)::answer;
    ELSIF v_spent IS NOT NULL THEN
      RETURN ROW(0, 'BUDGET_SPENT', 0, NULL, to_json(v_used[coalesce(a.quota, 0) + 1:])::text, NULL)::answer;
    END IF;
    PERFORM take(p_tenant_id, array_fill(a.account_id, ARRAY[cardinality(a.buckets)]), a.subjects,
      ARRAY(SELECT coalesce(a.windows[n], (a.hold).day) FROM generate_subscripts(a.buckets, 1) n), a.buckets, a.amounts);
  END IF;
  IF a.look IS NOT NULL THEN
    INSERT INTO known_account (tenant_id, account_id, look) VALUES (p_tenant_id, a.account_id, decode(a.look, 'hex'))
      ON CONFLICT DO NOTHING;
  END IF;
  v_intent_no := nextval('intent_number');
  INSERT INTO intent_key (tenant_id, action_intent_id, intent_no, created_at, "position", transition_id)
    VALUES (p_tenant_id, a.action_intent_id, v_intent_no, a.at, v_position, a.transition_id);
  PERFORM append(p_tenant_id, v_position, v_intent_no, substr(p_entries, a.entry_from, a.entry_bytes));
  INSERT INTO intent (intent_no, created_at, tenant_id, account_id, action_intent_id, action_type, status, revision, "position",
      decision_position, approval_source, due_at, proposed_by, trace_id, salt, fingerprint, content, changed_at, transition_id,
      hold, approval, likeness, same_call)
    VALUES (v_intent_no, a.at, p_tenant_id, a.account_id, a.action_intent_id, a.action_type, a.status, 1, v_position,
      v_position, a.approval_source, a.due_at, a.proposed_by, a.trace_id, decode(a.salt, 'hex'), decode(a.fingerprint, 'hex'),
      a.content, a.at, a.transition_id, a.hold, a.approval, decode(a.likeness, 'hex'), decode(a.same_call, 'hex'));
  RETURN ROW(0, 'ADMITTED', 1, v_position, NULL, NULL)::answer;
END $$;

-- Counts claims: those without a subject are the account's own, of the day that is their window.
CREATE FUNCTION take(
  p_tenant_id text, p_accounts text[], p_subjects text[], p_windows text[], p_buckets text[], p_amounts bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO budget_use AS b (tenant_id, account_id, day, bucket, used)
    SELECT p_tenant_id, c.account_id, c."window", c.bucket, sum(c.amount)::bigint
    FROM unnest(p_accounts, p_subjects, p_windows, p_buckets, p_amounts) AS c (account_id, subject, "window", bucket, amount)
    WHERE c.subject IS NULL GROUP BY 2, 3, 4
    ON CONFLICT (tenant_id, account_id, day, bucket) DO UPDATE SET used = b.used + excluded.used;
  INSERT INTO counter AS t (tenant_id, subject, "window", bucket, used)
    SELECT p_tenant_id, c.subject, c."window", c.bucket, sum(c.amount)::bigint
    FROM unnest(p_subjects, p_windows, p_buckets, p_amounts) AS c (subject, "window", bucket, amount)
    WHERE c.subject IS NOT NULL GROUP BY 2, 3, 4
    ON CONFLICT (tenant_id, subject, "window", bucket) DO UPDATE SET used = t.used + excluded.used;
END $$;

-- Back to the very counters that they were taken from. New accounts stay counted, or who withdraws could name them without end.
CREATE OR REPLACE FUNCTION release(p_tenant_id text, p_account_id text, p_hold hold) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE budget_use b SET used = b.used - c.amount FROM (
    SELECT c.claim ->> 0 AS bucket, sum((c.claim ->> 1)::bigint)::bigint AS amount
    FROM jsonb_array_elements((p_hold).claims::jsonb) AS c (claim)
    WHERE c.claim ->> 3 IS NULL AND c.claim ->> 0 <> 'new_accounts' GROUP BY 1
  ) c WHERE b.tenant_id = p_tenant_id AND b.account_id = p_account_id AND b.day = (p_hold).day AND b.bucket = c.bucket;
  UPDATE counter t SET used = t.used - c.amount FROM (
    SELECT c.claim ->> 0 AS bucket, c.claim ->> 3 AS subject, c.claim ->> 4 AS "window",
      sum((c.claim ->> 1)::bigint)::bigint AS amount
    FROM jsonb_array_elements((p_hold).claims::jsonb) AS c (claim)
    WHERE c.claim ->> 3 IS NOT NULL AND c.claim ->> 0 <> 'new_accounts' GROUP BY 1, 2, 3
  ) c WHERE t.tenant_id = p_tenant_id AND t.subject = c.subject AND t."window" = c."window" AND t.bucket = c.bucket;
END $$;

-- The places of those admissions that something which is stored keeps out: the same call that waits, a no, or too many that
-- wait. Each is looked for only if an admission asks for it, once for all of them.
CREATE FUNCTION kept_out(p_tenant_id text, p_all admission[]) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
  v_calls bytea[];
  v_likenesses bytea[];
  v_since bigint;
  v_agents text[];
  v_out int[] := '{}';
BEGIN
  SELECT array_agg(decode(a.same_call, 'hex')) FILTER (WHERE a.same_call IS NOT NULL),
    array_agg(decode(a.likeness, 'hex')) FILTER (WHERE a.rejected_since IS NOT NULL), min(a.rejected_since),
    array_agg(DISTINCT a.proposed_by) FILTER (WHERE a.waiting_max IS NOT NULL)
  INTO v_calls, v_likenesses, v_since, v_agents FROM unnest(p_all) a;
  IF v_calls IS NOT NULL THEN
    SELECT v_out || array_agg(a.ordinality::int) INTO v_out FROM unnest(p_all) WITH ORDINALITY a JOIN (
      SELECT encode(i.same_call, 'hex') AS same_call FROM intent i
      WHERE i.tenant_id = p_tenant_id AND i.same_call = ANY (v_calls) AND i.status = 'AWAITING_APPROVAL'
    ) i ON a.same_call = i.same_call;
  END IF;
  IF v_likenesses IS NOT NULL THEN
    SELECT v_out || array_agg(a.ordinality::int) INTO v_out FROM unnest(p_all) WITH ORDINALITY a JOIN (
      SELECT encode(i.likeness, 'hex') AS likeness, said_no_at(i) AS at FROM intent i
      WHERE i.tenant_id = p_tenant_id AND i.likeness = ANY (v_likenesses) AND i.status = 'REJECTED' AND i.changed_at >= v_since
        AND i.created_at >= v_since - waits_ms_max()
    ) i ON a.likeness = i.likeness AND a.rejected_since <= i.at;
  END IF;
  IF v_agents IS NOT NULL THEN
    SELECT v_out || array_agg(a.ordinality::int) INTO v_out FROM unnest(p_all) WITH ORDINALITY a JOIN (
      SELECT i.proposed_by, count(*) AS waiting FROM intent i
      WHERE i.tenant_id = p_tenant_id AND i.proposed_by = ANY (v_agents) AND i.status = 'AWAITING_APPROVAL' GROUP BY 1
    ) i ON a.proposed_by = i.proposed_by AND a.waiting_max <= i.waiting;
  END IF;
  RETURN v_out;
END $$;

-- True if some of these admissions could keep another one out: the same call twice, or more that wait than may.
CREATE FUNCTION crowds(p_tenant_id text, p_all admission[]) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM unnest(p_all) a WHERE a.same_call IS NOT NULL GROUP BY a.same_call HAVING count(*) > 1
  ) OR EXISTS (
    SELECT FROM unnest(p_all) a WHERE a.waiting_max IS NOT NULL OR a.status = 'AWAITING_APPROVAL' GROUP BY a.proposed_by
    HAVING count(*) > min(a.waiting_max) - (
      SELECT count(*) FROM intent i WHERE i.tenant_id = p_tenant_id AND i.proposed_by = a.proposed_by
        AND i.status = 'AWAITING_APPROVAL'
    )
  );
END $$;

-- What is as usual goes in together: admissions of new ids under the settings in force that nothing which is stored keeps out,
-- if they do not keep each other out either, and all of their claims fit side by side. None of them, if they do not: then each
-- is taken by itself.
CREATE OR REPLACE FUNCTION admit_together(p_tenant_id text, p_head head, p_units jsonb, p_entries bytea) RETURNS SETOF answer
LANGUAGE plpgsql AS $$
DECLARE
  v_all admission[];
  v_units int[];
  v_asks boolean;
  v_crowds boolean;
  v_knows boolean;
  v_out int[];
  v_over boolean;
  v_accounts text[];
  v_subjects text[];
  v_windows text[];
  v_buckets text[];
  v_amounts bigint[];
  v_intent_nos bigint[];
BEGIN
  SELECT array_agg(f.a ORDER BY f.unit), array_agg(f.unit ORDER BY f.unit),
    bool_or((f.a).rejected_since IS NOT NULL), bool_or((f.a).same_call IS NOT NULL OR (f.a).waiting_max IS NOT NULL),
    bool_or((f.a).look IS NOT NULL)
  INTO v_all, v_units, v_asks, v_crowds, v_knows FROM (
    SELECT DISTINCT ON (a.action_intent_id) u.ordinality - 1 AS unit, a
    FROM jsonb_array_elements(p_units) WITH ORDINALITY u, jsonb_populate_record(NULL::admission, u.value) a
    WHERE NOT u.value ? 'revision' AND a.settings_version = p_head.settings_version
      AND a.everywhere_version = p_head.everywhere_version
    ORDER BY a.action_intent_id, u.ordinality
  ) f WHERE (
    SELECT k.intent_no FROM intent_key k WHERE k.tenant_id = p_tenant_id AND k.action_intent_id = (f.a).action_intent_id
  ) IS NULL;
  IF v_asks OR v_crowds THEN
    v_out := kept_out(p_tenant_id, v_all);
    IF v_out <> '{}' THEN
      SELECT array_agg(v_all[n] ORDER BY n), array_agg(v_units[n] ORDER BY n) INTO v_all, v_units
        FROM generate_series(1, cardinality(v_units)) n WHERE n <> ALL (v_out);
    END IF;
  END IF;
  IF v_all IS NULL OR v_crowds AND crowds(p_tenant_id, v_all) THEN
    RETURN;
  END IF;
  SELECT array_agg(w.account_id), array_agg(w.subject), array_agg(w."window"), array_agg(w.bucket), array_agg(w.amount),
    bool_or(w.amount + coalesce(CASE WHEN w.ceiling IS NULL THEN NULL WHEN w.subject IS NULL THEN (
      SELECT b.used FROM budget_use b WHERE b.tenant_id = p_tenant_id AND b.account_id = w.account_id AND b.day = w."window"
        AND b.bucket = w.bucket
    ) ELSE (
      SELECT t.used FROM counter t WHERE t.tenant_id = p_tenant_id AND t.subject = w.subject AND t."window" = w."window"
        AND t.bucket = w.bucket
    ) END, 0) > w.ceiling)
  INTO v_accounts, v_subjects, v_windows, v_buckets, v_amounts, v_over FROM (
    SELECT CASE WHEN c.subject IS NULL THEN a.account_id END AS account_id, c.subject,
      coalesce(c."window", (a.hold).day) AS "window", c.bucket, sum(c.amount)::bigint AS amount, min(c.ceiling) AS ceiling
    FROM unnest(v_all) a, unnest(a.buckets, a.amounts, a.limits, a.subjects, a.windows)
      AS c (bucket, amount, ceiling, subject, "window") GROUP BY 1, 2, 3, 4
  ) w;
  IF v_over THEN
    RETURN;
  END IF;
  v_intent_nos := ARRAY(SELECT nextval('intent_number') FROM generate_series(1, cardinality(v_all)));
  PERFORM take(p_tenant_id, v_accounts, v_subjects, v_windows, v_buckets, v_amounts);
  IF v_knows THEN
    INSERT INTO known_account (tenant_id, account_id, look)
      SELECT p_tenant_id, a.account_id, decode(a.look, 'hex') FROM unnest(v_all) WITH ORDINALITY a
      WHERE a.look IS NOT NULL ORDER BY a.ordinality ON CONFLICT DO NOTHING;
  END IF;
  INSERT INTO intent_key (tenant_id, action_intent_id, intent_no, created_at, "position", transition_id)
    SELECT p_tenant_id, a.action_intent_id, v_intent_nos[a.ordinality], a.at, p_head.ledger_size + a.ordinality, a.transition_id
    FROM unnest(v_all) WITH ORDINALITY a;
  INSERT INTO ledger (tenant_id, "position", intent_no, body)
    SELECT p_tenant_id, p_head.ledger_size + a.ordinality, v_intent_nos[a.ordinality],
      substr(p_entries, a.entry_from, a.entry_bytes)
    FROM unnest(v_all) WITH ORDINALITY a;
  INSERT INTO intent (intent_no, created_at, tenant_id, account_id, action_intent_id, action_type, status, revision, "position",
      decision_position, approval_source, due_at, proposed_by, trace_id, salt, fingerprint, content, changed_at, transition_id,
      hold, approval, likeness, same_call)
    SELECT v_intent_nos[a.ordinality], a.at, p_tenant_id, a.account_id, a.action_intent_id, a.action_type, a.status, 1,
      p_head.ledger_size + a.ordinality, p_head.ledger_size + a.ordinality, a.approval_source, a.due_at, a.proposed_by,
      a.trace_id, decode(a.salt, 'hex'), decode(a.fingerprint, 'hex'), a.content, a.at, a.transition_id, a.hold, a.approval,
      decode(a.likeness, 'hex'), decode(a.same_call, 'hex')
    FROM unnest(v_all) WITH ORDINALITY a;
  RETURN QUERY SELECT v_units[n], 'ADMITTED', 1, p_head.ledger_size + n, NULL::text, NULL::intent_record
    FROM generate_series(1, cardinality(v_all)) n;
END $$;

-- With the key that it replaces, which ends in the same step; false if that one is not valid any more.
CREATE FUNCTION keep_api_key(
  p_tenant_id text, p_key_id text, p_name text, p_role text, p_key_hash bytea, p_created_at bigint, p_scope text, p_entry bytea,
  p_replaces text, p_ended bytea
) RETURNS boolean LANGUAGE plpgsql SET search_path = clearance, pg_temp AS $$
DECLARE
  v_head head := lock_tenant(p_tenant_id);
BEGIN
  IF EXISTS (SELECT FROM api_key k WHERE k.key_id = p_key_id AND k.key_hash = p_key_hash AND k.revoked_at IS NULL
      AND (k.tenant_id, k.name, k.role) = (p_tenant_id, p_name, p_role) AND k.scope IS NOT DISTINCT FROM p_scope) THEN
    RETURN true;  -- asked again after a lost connection: every credential has an id of its own
  END IF;
  IF p_replaces IS NOT NULL THEN
    IF NOT end_api_key(p_tenant_id, p_replaces, p_created_at, p_ended) THEN
      RETURN false;
    END IF;
    v_head.ledger_size := v_head.ledger_size + 1;
  END IF;
  INSERT INTO api_key (key_id, tenant_id, name, role, key_hash, created_at, scope)
    VALUES (p_key_id, p_tenant_id, p_name, p_role, p_key_hash, p_created_at, p_scope);
  PERFORM append_to_tenant(p_tenant_id, v_head, p_entry);
  RETURN true;
END $$;

GRANT SELECT, INSERT, UPDATE (used) ON counter TO clearance_app;
GRANT SELECT, INSERT ON known_account TO clearance_app;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA clearance FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA clearance TO clearance_app;

ALTER TABLE counter ENABLE ROW LEVEL SECURITY;
ALTER TABLE known_account ENABLE ROW LEVEL SECURITY;
CREATE POLICY named ON counter USING ((SELECT current_setting('clearance.tenant', true)) IN (tenant_id, '*'))
  WITH CHECK ((SELECT current_setting('clearance.tenant', true)) = tenant_id);
CREATE POLICY named ON known_account USING ((SELECT current_setting('clearance.tenant', true)) IN (tenant_id, '*'))
  WITH CHECK ((SELECT current_setting('clearance.tenant', true)) = tenant_id);
