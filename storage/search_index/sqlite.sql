-- A message by its time: place = accepted_at (ms) * 2^22 + what tells messages of one millisecond apart, so the order of places
-- is the order of time, and a range of times is a range of places. `tokens` of a deleted one is NULL: its place stays taken.
CREATE TABLE IF NOT EXISTS documents (
  place INTEGER PRIMARY KEY,
  conversation_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  internal INTEGER NOT NULL,
  tokens TEXT
) STRICT;
-- Words are folded before they come here, and separated by blanks. sqlite_queries.py says what tokens there are. Where in a
-- message they are is not kept: the lists of common words are read several times as fast.
CREATE VIRTUAL TABLE IF NOT EXISTS found USING fts5 (
  tokens, content = 'documents', content_rowid = 'place', detail = none, tokenize = "ascii tokenchars '=+:'"
);
CREATE TABLE IF NOT EXISTS people (
  place INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id TEXT NOT NULL UNIQUE,
  words TEXT NOT NULL
) STRICT;
CREATE VIRTUAL TABLE IF NOT EXISTS people_found USING fts5 (
  words, content = 'people', content_rowid = 'place', tokenize = 'unicode61 remove_diacritics 2'
);
-- One row. `building` NULL: it is complete.
CREATE TABLE IF NOT EXISTS feeding (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  feeder TEXT NOT NULL,
  topic TEXT NOT NULL,
  positions TEXT NOT NULL,
  building TEXT,
  deleted INTEGER NOT NULL DEFAULT 0,
  documents INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT OR IGNORE INTO feeding VALUES (1, '', '', '{}', NULL, 0, 0);
