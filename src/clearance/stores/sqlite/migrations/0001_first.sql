-- The logical model of Clearance in SQLite. Integer keys keep the pages few; ids that people see are columns.

CREATE TABLE installation (
  one             INTEGER PRIMARY KEY CHECK (one = 1),
  credential_salt BLOB NOT NULL
);

CREATE TABLE tenant (
  tenant_no        INTEGER PRIMARY KEY,
  tenant_id        TEXT NOT NULL UNIQUE,          -- '*': the switches that hold for every tenant
  settings_version INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE settings (
  tenant_no INTEGER NOT NULL REFERENCES tenant,
  version   INTEGER NOT NULL,
  document  TEXT NOT NULL,
  at        INTEGER NOT NULL,
  PRIMARY KEY (tenant_no, version)
) WITHOUT ROWID;

CREATE TABLE account (
  account_no INTEGER PRIMARY KEY,
  tenant_no  INTEGER NOT NULL REFERENCES tenant,
  account_id TEXT NOT NULL,
  UNIQUE (tenant_no, account_id)
);

-- entry_id = tenant_no * 2^40 + position: one tree, in which each tenant's entries lie side by side and count from 1.
CREATE TABLE ledger (
  entry_id  INTEGER PRIMARY KEY,
  intent_no INTEGER,
  body      BLOB NOT NULL                         -- the exact canonical bytes
);
CREATE INDEX ledger_intent ON ledger (intent_no) WHERE intent_no IS NOT NULL;

CREATE TRIGGER ledger_keeps_entries BEFORE UPDATE ON ledger
BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_loses_nothing BEFORE DELETE ON ledger
BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;
-- INSERT OR REPLACE deletes without firing the trigger above.
CREATE TRIGGER ledger_replaces_nothing BEFORE INSERT ON ledger
WHEN EXISTS (SELECT 1 FROM ledger WHERE entry_id = NEW.entry_id)
BEGIN SELECT RAISE (ABORT, 'the ledger is append-only'); END;

-- The decision and the binding are in the ledger entry at decision_position, and nowhere else.
CREATE TABLE intent (
  intent_no         INTEGER PRIMARY KEY,
  tenant_no         INTEGER NOT NULL REFERENCES tenant,
  account_no        INTEGER NOT NULL REFERENCES account,
  action_intent_id  TEXT NOT NULL,
  action_type       TEXT NOT NULL,
  status            TEXT NOT NULL,
  revision          INTEGER NOT NULL,             -- counts the intent's transitions
  position          INTEGER NOT NULL,             -- of its latest ledger entry
  decision_position INTEGER NOT NULL,
  approval_source   TEXT,
  approval_number   INTEGER,                      -- the latest one's
  attempt_number    INTEGER,
  due_at            INTEGER,                      -- when it expires, while it has not started
  proposed_by       TEXT NOT NULL,
  trace_id          TEXT,
  salt              BLOB NOT NULL,
  fingerprint       BLOB NOT NULL,
  content           TEXT NOT NULL,
  created_at        INTEGER NOT NULL,
  changed_at        INTEGER NOT NULL
);
CREATE UNIQUE INDEX intent_key ON intent (tenant_no, action_intent_id);
CREATE INDEX intent_timeline ON intent (tenant_no, position);
CREATE INDEX intent_account ON intent (account_no, position);
CREATE INDEX intent_under_way ON intent (status, tenant_no, intent_no)
  WHERE status IN ('AWAITING_APPROVAL', 'APPROVED', 'RUNNING', 'UNKNOWN');
CREATE INDEX intent_due ON intent (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE budget_use (
  account_no INTEGER NOT NULL REFERENCES account,
  day        TEXT NOT NULL,
  bucket     TEXT NOT NULL,
  used       INTEGER NOT NULL CHECK (used >= 0),
  PRIMARY KEY (account_no, day, bucket)
) WITHOUT ROWID;

CREATE TABLE hold (
  intent_no INTEGER PRIMARY KEY REFERENCES intent,
  day       TEXT NOT NULL,
  state     TEXT NOT NULL,
  claims    TEXT NOT NULL                         -- [[bucket, amount, limit], ...]
);

CREATE TABLE approval (
  intent_no     INTEGER NOT NULL REFERENCES intent,
  number        INTEGER NOT NULL,
  state         TEXT NOT NULL,
  digest        TEXT NOT NULL,
  opened_at     INTEGER NOT NULL,
  expires_at    INTEGER NOT NULL,
  differences   TEXT NOT NULL,
  ruling        TEXT,                             -- {kind, ruled_by, reason, ruled_at}
  superseded_by TEXT,
  PRIMARY KEY (intent_no, number)
) WITHOUT ROWID;

CREATE TABLE attempt (
  intent_no       INTEGER NOT NULL REFERENCES intent,
  number          INTEGER NOT NULL,
  worker          TEXT NOT NULL,
  lease_until     INTEGER NOT NULL,
  idempotency_key TEXT NOT NULL,
  started_at      INTEGER NOT NULL,
  PRIMARY KEY (intent_no, number)
) WITHOUT ROWID;

CREATE TABLE outcome (
  intent_no        INTEGER PRIMARY KEY REFERENCES intent,
  status           TEXT NOT NULL,
  sentence         TEXT NOT NULL,
  result           TEXT NOT NULL,
  result_bytes     INTEGER NOT NULL,
  result_truncated INTEGER NOT NULL,
  error            TEXT,                          -- {error_class, sentence, sent, code, retry_after_ms}
  approval_source  TEXT NOT NULL,
  auto_executed    INTEGER NOT NULL
);

CREATE TABLE api_key (
  key_id     TEXT PRIMARY KEY,
  tenant_no  INTEGER NOT NULL REFERENCES tenant,
  name       TEXT NOT NULL,
  role       TEXT NOT NULL,
  key_hash   BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) WITHOUT ROWID;
CREATE UNIQUE INDEX api_key_valid ON api_key (key_hash) WHERE revoked_at IS NULL;
CREATE UNIQUE INDEX api_key_name ON api_key (tenant_no, name) WHERE revoked_at IS NULL;

CREATE TABLE page_session (
  token_hash BLOB PRIMARY KEY,
  key_id     TEXT NOT NULL REFERENCES api_key,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
