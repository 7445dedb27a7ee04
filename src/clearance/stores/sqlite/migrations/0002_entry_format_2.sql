-- What stands beside ledger entries, the salt of a settings document, and who carries an intent out.

-- An entry binds each of its texts by a digest. One with a salt is the words of a person and may go; the others stay.
CREATE TABLE ledger_text (
  entry_id INTEGER NOT NULL REFERENCES ledger,
  name     TEXT NOT NULL,                         -- the JSON pointer of a reason, or 'parts'
  salt     BLOB,
  text     TEXT NOT NULL,                         -- JSON
  PRIMARY KEY (entry_id, name)
) WITHOUT ROWID;

CREATE TRIGGER ledger_text_keeps_texts BEFORE UPDATE ON ledger_text
BEGIN SELECT RAISE (ABORT, 'the texts of the ledger do not change'); END;
CREATE TRIGGER ledger_text_loses_no_part BEFORE DELETE ON ledger_text WHEN OLD.salt IS NULL
BEGIN SELECT RAISE (ABORT, 'the parts of an entry are append-only'); END;
CREATE TRIGGER ledger_text_replaces_nothing BEFORE INSERT ON ledger_text
WHEN EXISTS (SELECT 1 FROM ledger_text WHERE entry_id = NEW.entry_id AND name = NEW.name)
BEGIN SELECT RAISE (ABORT, 'the texts of the ledger do not change'); END;

ALTER TABLE settings ADD COLUMN salt BLOB;        -- NULL: version 0.1.0 stored it

ALTER TABLE intent ADD COLUMN executor TEXT NOT NULL DEFAULT 'server';
