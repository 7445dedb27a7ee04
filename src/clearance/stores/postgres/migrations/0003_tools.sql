-- works with: 2
-- Tools as they were pinned: all that a server said of one, once for each digest of it.
CREATE TABLE tool (
  tenant_id   text COLLATE "C" NOT NULL,
  digest      text COLLATE "C" NOT NULL,
  description text NOT NULL,                      -- JSON
  PRIMARY KEY (tenant_id, digest)
);

GRANT SELECT, INSERT ON tool TO clearance_app;

ALTER TABLE tool ENABLE ROW LEVEL SECURITY;
CREATE POLICY named ON tool USING ((SELECT current_setting('clearance.tenant', true)) IN (tenant_id, '*'))
  WITH CHECK ((SELECT current_setting('clearance.tenant', true)) = tenant_id);
