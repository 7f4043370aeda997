-- How far people have been told by mail of what happened to their answers (market/notices.py).
CREATE TABLE notice_cursor (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  xid xid8 NOT NULL, seq bigint NOT NULL);
-- From now on: nobody is told of what is long over.
INSERT INTO notice_cursor (xid, seq) VALUES ('0', 0);
UPDATE notice_cursor SET xid = e.xid, seq = e.seq
  FROM (SELECT xid, seq FROM event ORDER BY xid DESC, seq DESC LIMIT 1) AS e;
CREATE INDEX event_notice ON event (xid, seq)
  WHERE type IN ('submission.fix_up', 'submission.rejected', 'appeal.opened', 'appeal.decided', 'review.invited');
