-- works with: 2
-- What stands beside ledger entries, the salt of a settings document, and who carries an intent out. This step contracts:
-- version 0.1.0 would carry out other calls than a later version decided on, so it can write nothing after it.

-- An entry binds each of its texts by a digest. One with a salt is the words of a person and may go; the others stay.
CREATE TABLE ledger_text (
  tenant_id  text COLLATE "C" NOT NULL,
  "position" bigint NOT NULL,
  name       text COLLATE "C" NOT NULL,           -- the JSON pointer of a reason, or 'parts'
  salt       bytea,
  text       text NOT NULL,                       -- JSON
  PRIMARY KEY (tenant_id, "position", name)
);

CREATE FUNCTION refuse_loss() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.salt IS NULL THEN
    RAISE EXCEPTION 'the parts of an entry are append-only' USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER ledger_text_keeps_texts BEFORE UPDATE ON ledger_text FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_text_loses_no_part BEFORE DELETE ON ledger_text FOR EACH ROW EXECUTE FUNCTION refuse_loss();
CREATE TRIGGER ledger_text_is_not_emptied BEFORE TRUNCATE ON ledger_text FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE settings ADD COLUMN salt bytea;       -- NULL: version 0.1.0 stored it
ALTER TABLE intent ADD COLUMN executor text COLLATE "C" NOT NULL DEFAULT 'server';

-- As before, with the parts of the decision's entry and the executor behind the rest.
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
  i.intent_no, i.due_at, i.executor, b.text AS parts
FROM intent i JOIN ledger d ON d.tenant_id = i.tenant_id AND d."position" = i.decision_position
  LEFT JOIN ledger_text b ON b.tenant_id = d.tenant_id AND b."position" = d."position" AND b.name = 'parts';

-- A text as the store sends it: `unit` is the place of its transition in a batch, and `edited` says that it stands beside the
-- entry of the intent that an edit admits.
CREATE TYPE sent_text AS (unit int, edited boolean, name text, salt text, text text);

CREATE FUNCTION append_texts(p_tenant_id text, p_position bigint, p_texts jsonb, p_unit int, p_edited boolean) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO ledger_text (tenant_id, "position", name, salt, text)
  SELECT p_tenant_id, p_position, t.name, decode(t.salt, 'hex'), t.text
  FROM jsonb_populate_recordset(NULL::sent_text, p_texts) t WHERE t.unit = p_unit AND t.edited = p_edited
$$;

-- What version 0.1.0 calls refuses, and does nothing: the functions have other names or other arguments now.
ALTER FUNCTION transition(text, jsonb, bytea) RENAME TO transition_of_entries;
ALTER FUNCTION add_api_key(text, text, text, text, bytea, bigint, bytea) RENAME TO keep_api_key;
ALTER FUNCTION revoke_api_key(text, text, bigint, bytea) RENAME TO end_api_key;
DROP FUNCTION configure(text, int, text, bigint, bytea);

CREATE FUNCTION shut_out() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a newer Clearance migrated this database: end this process of version 0.1.0'
    USING ERRCODE = 'object_not_in_prerequisite_state';  -- it answers 503 to that
END $$;
CREATE FUNCTION transition(text, jsonb, bytea) RETURNS SETOF answer LANGUAGE plpgsql AS
  $$ BEGIN PERFORM clearance.shut_out(); END $$;
CREATE FUNCTION configure(text, int, text, bigint, bytea) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN PERFORM clearance.shut_out(); END $$;
CREATE FUNCTION add_api_key(text, text, text, text, bytea, bigint, bytea) RETURNS void LANGUAGE plpgsql AS
  $$ BEGIN PERFORM clearance.shut_out(); END $$;
CREATE FUNCTION revoke_api_key(text, text, bigint, bytea) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN PERFORM clearance.shut_out(); END $$;

-- A batch of transitions of one tenant, with the texts that stand beside their entries, and the reasons that they erase:
-- [{"unit", "position", "name"}]. Most batches have neither.
CREATE FUNCTION transition(p_tenant_id text, p_units jsonb, p_entries bytea, p_texts jsonb, p_erased jsonb)
RETURNS SETOF answer LANGUAGE plpgsql SET search_path = clearance, pg_temp AS $$
DECLARE
  v_answer answer;
BEGIN
  FOR v_answer IN SELECT t.* FROM transition_of_entries(p_tenant_id, p_units, p_entries) t LOOP
    IF v_answer.entries > 0 AND (p_texts <> '[]' OR p_erased <> '[]') THEN
      IF v_answer.answer = 'ADMITTED' THEN
        PERFORM append_texts(p_tenant_id, v_answer.admitted, p_texts, v_answer.unit, false);
      ELSE
        PERFORM append_texts(p_tenant_id, v_answer.admitted, p_texts, v_answer.unit, true);
        PERFORM append_texts(p_tenant_id, (v_answer.record)."position", p_texts, v_answer.unit, false);
        DELETE FROM ledger_text l USING jsonb_to_recordset(p_erased) AS e (unit int, "position" bigint, name text)
          WHERE e.unit = v_answer.unit AND l.tenant_id = p_tenant_id AND l."position" = e."position" AND l.name = e.name
            AND l.salt IS NOT NULL;
        v_answer.record := record_of(p_tenant_id, (v_answer.record).action_intent_id);
      END IF;
    END IF;
    RETURN NEXT v_answer;
  END LOOP;
END $$;

CREATE FUNCTION configure(
  p_tenant_id text, p_version int, p_document text, p_salt bytea, p_at bigint, p_entry bytea, p_texts jsonb
) RETURNS boolean LANGUAGE plpgsql SET search_path = clearance, pg_temp AS $$
DECLARE
  v_head head := lock_tenant(p_tenant_id);
BEGIN
  IF v_head.settings_version <> p_version THEN
    RETURN false;
  END IF;
  INSERT INTO settings (tenant_id, version, document, salt, at)
    VALUES (p_tenant_id, p_version + 1, p_document, p_salt, p_at);
  UPDATE tenant SET settings_version = p_version + 1 WHERE tenant_id = p_tenant_id;
  PERFORM append_to_tenant(p_tenant_id, v_head, p_entry);
  PERFORM append_texts(p_tenant_id, v_head.ledger_size + 1, p_texts, 0, false);
  RETURN true;
END $$;

GRANT SELECT, INSERT, DELETE ON ledger_text TO clearance_app;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA clearance FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA clearance TO clearance_app;

ALTER TABLE ledger_text ENABLE ROW LEVEL SECURITY;
CREATE POLICY named ON ledger_text USING ((SELECT current_setting('clearance.tenant', true)) IN (tenant_id, '*'))
  WITH CHECK ((SELECT current_setting('clearance.tenant', true)) = tenant_id);
