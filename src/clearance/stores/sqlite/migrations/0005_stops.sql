-- Stops and how far their receipts are: one for each change that turned switches on or made them stricter.
CREATE TABLE stop (
  tenant_no INTEGER NOT NULL REFERENCES tenant,
  position  INTEGER NOT NULL,                     -- of the change's ledger entry
  at        INTEGER NOT NULL,
  state     TEXT NOT NULL,                        -- JSON
  recorded  INTEGER,                              -- the positions of the receipt's entries
  closed    INTEGER,
  PRIMARY KEY (tenant_no, position)
) WITHOUT ROWID;
CREATE INDEX stop_open ON stop (tenant_no, position) WHERE closed IS NULL;
