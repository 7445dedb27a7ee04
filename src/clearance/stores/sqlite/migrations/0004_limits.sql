-- What is counted of any subject in any window, the accounts that are known, and what makes two acts the same.

-- The account's own counters of a day stay in budget_use.
CREATE TABLE counter (
  tenant_no INTEGER NOT NULL REFERENCES tenant,
  subject   TEXT NOT NULL,                        -- canonical JSON: {} is the tenant
  "window"  TEXT NOT NULL,
  bucket    TEXT NOT NULL,
  used      INTEGER NOT NULL CHECK (used >= 0 AND typeof (used) = 'integer'),  -- SQLite adds on in floating point
  PRIMARY KEY (tenant_no, subject, "window", bucket)
) WITHOUT ROWID;

CREATE TABLE known_account (
  tenant_no  INTEGER NOT NULL REFERENCES tenant,
  look       BLOB NOT NULL,                       -- digest of what all names have in common that look like this one
  account_no INTEGER NOT NULL REFERENCES account, -- the first of them
  PRIMARY KEY (tenant_no, look)
) WITHOUT ROWID;

ALTER TABLE intent ADD COLUMN likeness BLOB;      -- NULL: an earlier version admitted it
ALTER TABLE intent ADD COLUMN same_call BLOB;     -- NULL: nothing is folded into it
CREATE INDEX intent_waiting ON intent (tenant_no, proposed_by) WHERE status = 'AWAITING_APPROVAL';
CREATE INDEX intent_same_call ON intent (tenant_no, same_call)
  WHERE status = 'AWAITING_APPROVAL' AND same_call IS NOT NULL;
CREATE INDEX intent_rejected ON intent (tenant_no, likeness, changed_at)
  WHERE status = 'REJECTED' AND likeness IS NOT NULL;
-- A likeness is random: in runs of 4,096 intents, so that each admission does not write a page of its own.
CREATE INDEX intent_likeness ON intent (tenant_no, intent_no >> 12, likeness) WHERE likeness IS NOT NULL;
CREATE INDEX intent_proposer ON intent (tenant_no, proposed_by, position);

ALTER TABLE api_key ADD COLUMN scope TEXT;        -- {accounts, action_types}; NULL: all of them
