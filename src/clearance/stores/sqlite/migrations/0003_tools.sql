-- Tools as they were pinned: all that a server said of one, once for each digest of it.
CREATE TABLE tool (
  tenant_no   INTEGER NOT NULL REFERENCES tenant,
  digest      TEXT NOT NULL,
  description TEXT NOT NULL,                      -- JSON
  PRIMARY KEY (tenant_no, digest)
);
