-- works with: 4
-- Stops and how far their receipts are. All of it is added: software of before opens no stops, and closes none.
CREATE TABLE stop (
  tenant_id  text COLLATE "C" NOT NULL,
  "position" bigint NOT NULL,                     -- of the ledger entry of the change that turned switches on
  at         bigint NOT NULL,
  state      text NOT NULL,                       -- JSON
  recorded   bigint,                              -- the positions of the receipt's entries
  closed     bigint,
  PRIMARY KEY (tenant_id, "position")
);
CREATE INDEX stop_open ON stop (tenant_id, "position") WHERE closed IS NULL;

-- As `configure`, and opens a stop with its entry.
CREATE FUNCTION configure_stop(
  p_tenant_id text, p_version int, p_document text, p_salt bytea, p_at bigint, p_entry bytea, p_texts jsonb, p_state text
) RETURNS boolean LANGUAGE plpgsql SET search_path = clearance, pg_temp AS $$
BEGIN
  IF NOT configure(p_tenant_id, p_version, p_document, p_salt, p_at, p_entry, p_texts) THEN
    RETURN false;
  END IF;
  INSERT INTO stop (tenant_id, "position", at, state)
    SELECT p_tenant_id, t.ledger_size, p_at, p_state FROM tenant t WHERE t.tenant_id = p_tenant_id;
  RETURN true;
END $$;

-- Writes the next entry of a stop's receipt; its position, or NULL if that entry is there already.
CREATE FUNCTION move_stop(
  p_tenant_id text, p_position bigint, p_recorded bigint, p_state text, p_entry bytea, p_texts jsonb
) RETURNS bigint LANGUAGE plpgsql SET search_path = clearance, pg_temp AS $$
DECLARE
  v_head head := lock_tenant(p_tenant_id);
  v_entry bigint := v_head.ledger_size + 1;
BEGIN
  UPDATE stop s SET state = p_state, recorded = coalesce(s.recorded, v_entry),
      closed = CASE WHEN s.recorded IS NOT NULL THEN v_entry END
    WHERE s.tenant_id = p_tenant_id AND s."position" = p_position AND s.closed IS NULL
      AND s.recorded IS NOT DISTINCT FROM p_recorded;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  PERFORM append_to_tenant(p_tenant_id, v_head, p_entry);
  PERFORM append_texts(p_tenant_id, v_entry, p_texts, 0, false);
  RETURN v_entry;
END $$;

GRANT SELECT, INSERT, UPDATE (state, recorded, closed) ON stop TO clearance_app;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA clearance FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA clearance TO clearance_app;

ALTER TABLE stop ENABLE ROW LEVEL SECURITY;
CREATE POLICY named ON stop USING ((SELECT current_setting('clearance.tenant', true)) IN (tenant_id, '*'))
  WITH CHECK ((SELECT current_setting('clearance.tenant', true)) = tenant_id);
