DROP INDEX event_notice;
DROP TABLE notice_cursor;
